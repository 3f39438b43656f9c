package bus

import (
	"context"
	"encoding/json"
	"fmt"
)

// Account is what the server knows of an environment's account.
type Account struct {
	Environment string   // slug
	Revoked     []string // public keys of users that are let in no more
	// Closed says that the environment was deleted: the account lets nobody in.
	// An account cannot be deleted for good: a server may be told of it again.
	Closed bool
}

// PutAccount tells the server of an environment's account; users that are
// revoked are put out at once. Without an operator there are no accounts, and
// it does nothing.
func (b *Bus) PutAccount(ctx context.Context, a Account) error {
	if b.options.Operator == nil {
		return nil
	}
	token, err := b.options.Operator.accountJWT(environmentAccount(a.Environment), a.Revoked, a.Closed)
	if err != nil {
		return err
	}
	system := b.into(systemAccount).conn
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
