"""A bank as programs of the exercise often have it: three branches, package bank, ten threads each.

Usage: bank.py GENERATED OPENING_BALANCE [crowded]

A write holds its thread until both fellow branches have answered, and no call has a deadline. One
customer at a time is served well. Many are not: when every thread of every branch waits for a fellow
branch, no thread is left to answer one.

With "crowded" the first writes wait until that many have come, so that it happens every time and not
only when they come fast enough.

Prints the addresses of the branches in one line and ends when its standard input does.
"""

import os
import sys
import threading
from concurrent import futures

sys.path.insert(0, sys.argv[1])

import grpc

import bank_pb2
import bank_pb2_grpc

THREADS = 10
BRANCHES = 3


class Branch(bank_pb2_grpc.BankServicer):
    def __init__(self, balance, crowd):
        self.balance = balance
        self.lock = threading.Lock()
        self.peers = []
        self.crowd = crowd

    def apply(self, change):
        with self.lock:
            self.balance += change
            return self.balance

    def MsgDelivery(self, request, context):
        operation, amount = request.operation, request.amount
        if operation == "deposit":
            return self.write("propagate_deposit", amount, amount)
        if operation == "withdraw":
            if amount > self.balance:
                return bank_pb2.TransactionResponse(status="fail", balance=self.balance)
            return self.write("propagate_withdraw", amount, -amount)
        if operation == "propagate_deposit":
            self.apply(amount)
        elif operation == "propagate_withdraw":
            self.apply(-amount)
        return bank_pb2.TransactionResponse(status="success", balance=self.balance)

    def write(self, propagation, amount, change):
        if self.crowd:
            self.crowd.wait()
        balance = self.apply(change)
        for peer in self.peers:
            peer.MsgDelivery(bank_pb2.TransactionRequest(operation=propagation, amount=amount))
        return bank_pb2.TransactionResponse(status="success", balance=balance)


def main():
    opening = int(sys.argv[2])
    crowd = threading.Barrier(THREADS * BRANCHES) if "crowded" in sys.argv[3:] else None
    branches, servers, addresses = [], [], []
    for _ in range(BRANCHES):
        branch = Branch(opening, crowd)
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=THREADS))
        bank_pb2_grpc.add_BankServicer_to_server(branch, server)
        addresses.append(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        branches.append(branch)
        servers.append(server)
    for branch in branches:
        others = (a for b, a in zip(branches, addresses) if b is not branch)
        branch.peers = [bank_pb2_grpc.BankStub(grpc.insecure_channel(a)) for a in others]
    for server in servers:
        server.start()
    print(",".join(addresses), flush=True)
    sys.stdin.read()
    # Threads that wait for each other would keep an orderly end waiting too.
    os._exit(0)


main()
