package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Account is what the server knows of an environment's account.
type Account struct {
	Environment string   // slug
	Revoked     []string // public keys of users that are let in no more
}

// PutAccount tells the server of an environment's account; users that are
// revoked are put out at once. Without an operator there are no accounts, and
// it does nothing.
func (b *Bus) PutAccount(ctx context.Context, a Account) error {
	if b.options.Operator == nil {
		return nil
	}
	token, err := b.options.Operator.accountJWT(environmentAccount(a.Environment), a.Revoked)
	if err != nil {
		return err
	}
	system, err := b.system()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	msg, err := system.RequestWithContext(ctx, "$SYS.REQ.CLAIMS.UPDATE", []byte(token))
	if err != nil {
		return fmt.Errorf("tell the bus of the account of %s: %w", a.Environment, err)
	}
	var answer struct {
		Data struct {
			Code int `json:"code"`
		} `json:"data"`
		Error struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return fmt.Errorf("tell the bus of the account of %s: %w", a.Environment, err)
	}
	if answer.Data.Code != 200 {
		return fmt.Errorf("the bus does not take the account of %s: %s", a.Environment, answer.Error.Description)
	}
	return nil
}

// system is the connection to the account in which accounts are changed.
func (b *Bus) system() (*nats.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if line := b.lines[systemAccount]; line != nil {
		return line.conn, nil
	}
	line, err := connect(b.options, systemAccount)
	if err != nil {
		return nil, err
	}
	b.lines[systemAccount] = line
	if !line.conn.IsConnected() {
		return line.conn, errors.New("the bus is away")
	}
	return line.conn, nil
}
