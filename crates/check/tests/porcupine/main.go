// Compares our verdicts on linearizability with those of porcupine, which sees one account and what its customers
// saw. How histories are made, and why both should say the same of them, is in mod.rs.
//
//	go run . HISTORIES.jsonl
//
// Ends with 1 if they disagree, and with 2 if the file cannot be read.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

// A bound for a history, which should take milliseconds.
const patience = time.Minute

// A line of the file.
type history struct {
	Name    string `json:"name"`
	Opening int64  `json:"opening_balance"`
	// What we say: pass, fail or unknown.
	Verdict string `json:"verdict"`
	// Whether what branches logged tells nothing that customers did not see. If it does, we may find fault with what
	// customers could not.
	CustomersSawAll bool        `json:"customers_saw_all"`
	Operations      []operation `json:"operations"`
}

type operation struct {
	Kind    string `json:"kind"`
	Amount  int64  `json:"amount"`
	Outcome string `json:"outcome"`
	Balance int64  `json:"balance"`
	Call    int64  `json:"call"`
	// Nothing if it was never answered.
	Return *int64 `json:"return"`
}

// The balances that there may be after an operation, by the balance before it; none if that contradicts its answer.
type effect func(balance int64) []interface{}

func (op operation) effect() (effect, error) {
	if answered := op.Outcome != "unknown"; answered != (op.Return != nil) {
		return nil, fmt.Errorf("an operation is %q, and that does not fit with its return", op.Outcome)
	}
	if op.Kind != "query" && op.Amount <= 0 {
		return nil, fmt.Errorf("a %s of %d", op.Kind, op.Amount)
	}
	switch op.Kind + ", " + op.Outcome {
	case "deposit, ok":
		return func(balance int64) []interface{} { return []interface{}{balance + op.Amount} }, nil
	case "deposit, unknown":
		return func(balance int64) []interface{} { return []interface{}{balance, balance + op.Amount} }, nil
	case "withdraw, ok":
		return func(balance int64) []interface{} { return where(balance >= op.Amount, balance-op.Amount) }, nil
	case "withdraw, insufficient_funds":
		return func(balance int64) []interface{} { return where(balance < op.Amount, balance) }, nil
	case "withdraw, unknown":
		return func(balance int64) []interface{} {
			return append(where(balance >= op.Amount, balance-op.Amount), balance)
		}, nil
	case "query, ok":
		return func(balance int64) []interface{} { return where(balance == op.Balance, balance) }, nil
	}
	return nil, fmt.Errorf("no operation is %q and %q", op.Kind, op.Outcome)
}

func where(possible bool, balance int64) []interface{} {
	if possible {
		return []interface{}{balance}
	}
	return nil
}

// Whether porcupine finds an order.
func (h history) isLinearizable() (bool, error) {
	var operations []porcupine.Operation
	for _, op := range h.Operations {
		effect, err := op.effect()
		if err != nil {
			return false, err
		}
		// What was never answered may happen at any time from its call, and need not: it has an effect that may be none.
		completed := int64(math.MaxInt64)
		if op.Return != nil {
			completed = *op.Return
		}
		if completed < op.Call {
			return false, fmt.Errorf("an operation returns at %d and is called at %d", completed, op.Call)
		}
		operations = append(operations, porcupine.Operation{Input: effect, Call: op.Call, Return: completed})
	}
	account := porcupine.NondeterministicModel{
		Init: func() []interface{} { return []interface{}{h.Opening} },
		Step: func(balance, does, _ interface{}) []interface{} { return does.(effect)(balance.(int64)) },
	}
	verdict := porcupine.CheckOperationsTimeout(account.ToModel(), operations, patience)
	if verdict == porcupine.Unknown {
		return false, fmt.Errorf("porcupine found nothing out within %v", patience)
	}
	return verdict == porcupine.Ok, nil
}

func compare(file io.Reader) (disagree int, err error) {
	lines := json.NewDecoder(file)
	lines.DisallowUnknownFields()
	var all, good, bad, stricter, unknown int
	for {
		var h history
		if err := lines.Decode(&h); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return 0, fmt.Errorf("history %d: %w", all+1, err)
		}
		all++
		theirs, err := h.isLinearizable()
		if err != nil {
			return 0, fmt.Errorf("history %d (%s): %w", all, h.Name, err)
		}
		switch {
		case h.Verdict == "unknown":
			unknown++
		case h.Verdict == "pass" && theirs:
			good++
		case h.Verdict == "fail" && !theirs:
			bad++
		case h.Verdict == "fail" && !h.CustomersSawAll:
			stricter++
		case h.Verdict == "pass" || h.Verdict == "fail":
			disagree++
			fmt.Printf("%s: we say %s; linearizable to porcupine: %t\n", h.Name, h.Verdict, theirs)
		default:
			return 0, fmt.Errorf("history %d (%s): %q is no verdict", all, h.Name, h.Verdict)
		}
	}
	fmt.Printf("%d histories: %d good and %d bad agree, %d disagree, %d bad by their logs only, %d unknown to us\n",
		all, good, bad, disagree, stricter, unknown)
	return disagree, nil
}

func main() {
	if len(os.Args) != 2 {
		fail(errors.New("name one file of histories"))
	}
	file, err := os.Open(os.Args[1])
	if err != nil {
		fail(err)
	}
	disagree, err := compare(file)
	if err != nil {
		fail(err)
	}
	if disagree > 0 {
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(2)
}
