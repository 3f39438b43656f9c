package tree

// Merge applies a JSON Merge Patch (RFC 7396): members of the patch take the
// place of the tree's, those that are null are removed. The patch stays as it is
// and shares nothing with the result.
func Merge(v, patch any) (any, error) {
	budget := MaxValues
	return merge(v, patch, &budget)
}

func merge(v, patch any, budget *int) (any, error) {
	members, ok := patch.(map[string]any)
	if !ok {
		return clone(patch, budget)
	}
	into, ok := v.(map[string]any)
	if !ok {
		into = map[string]any{}
	}
	for name, member := range members {
		if member == nil {
			delete(into, name)
			continue
		}
		if *budget--; *budget < 0 {
			return nil, ErrTooLarge
		}
		merged, err := merge(into[name], member, budget)
		if err != nil {
			return nil, err
		}
		into[name] = merged
	}
	return into, nil
}
