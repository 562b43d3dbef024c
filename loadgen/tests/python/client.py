"""The exercise's example as a client of another program: three customers at three branches, one after another.

Usage: client.py GENERATED bank|bankservice ADDRESS ADDRESS ADDRESS

GENERATED is the folder with the code that grpcio-tools made of proto/exercise. Prints what each customer
was shown by a query.
"""

import sys

sys.path.insert(0, sys.argv[1])

import grpc

import bank_pb2
import bank_pb2_grpc
import bankservice_pb2
import bankservice_pb2_grpc

# Decides how long a failure takes.
PATIENCE_S = 60


class Bank:
    """Package bank: one call, told apart by a word."""

    def __init__(self, channel, customer):
        self.stub = bank_pb2_grpc.BankStub(channel)
        self.customer = customer

    def ask(self, operation, amount=0):
        request = bank_pb2.TransactionRequest(
            customer_id=self.customer, operation=operation, amount=amount
        )
        response = self.stub.MsgDelivery(request, timeout=PATIENCE_S)
        assert response.status == "success", response
        return response.balance

    def query(self):
        return self.ask("query")

    def deposit(self, amount):
        self.ask("deposit", amount)

    def withdraw(self, amount):
        self.ask("withdraw", amount)


class BankService:
    """Package BankService: a call for each operation."""

    def __init__(self, channel, customer):
        self.stub = bankservice_pb2_grpc.BankServiceStub(channel)
        self.customer = customer

    def request(self, event, amount):
        return bankservice_pb2.CustomerRequest(
            customer_id=self.customer, event=event, amount=amount
        )

    def query(self):
        query = bankservice_pb2.BalanceQuery(branch_id=self.customer)
        response = self.stub.Query(query, timeout=PATIENCE_S)
        assert response.success, response
        return int(response.message)

    def deposit(self, amount):
        response = self.stub.Deposit(self.request("deposit", amount), timeout=PATIENCE_S)
        assert (response.message, response.success) == ("success", True), response

    def withdraw(self, amount):
        response = self.stub.MsgDelivery(self.request("withdraw", amount), timeout=PATIENCE_S)
        assert (response.message, response.success) == ("success", True), response


def main():
    wire = {"bank": Bank, "bankservice": BankService}[sys.argv[2]]
    channels = [grpc.insecure_channel(address) for address in sys.argv[3:]]
    first, second, third = (wire(channel, number) for number, channel in enumerate(channels, 1))
    shown = [first.query()]
    second.deposit(170)
    shown.append(second.query())
    third.withdraw(70)
    shown.append(third.query())
    print(*shown)


main()
