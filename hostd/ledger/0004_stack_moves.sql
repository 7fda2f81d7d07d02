-- Apps that are still to be taken along to another version of their stack, or of which it is not known yet whether
-- they come up there.
CREATE TABLE stack_moves (
    app_id TEXT PRIMARY KEY REFERENCES apps (id),
    name TEXT NOT NULL,  -- the stack
    version TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),  -- who asked
    was_well INTEGER NOT NULL CHECK (was_well IN (0, 1))  -- else its not coming up is no reason to take it back
) STRICT, WITHOUT ROWID;
