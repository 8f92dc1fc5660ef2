-- What a catalog is. `meta` holds counters: `revision` grows by one with each write to the items,
-- `deletions_from` is the revision up to which `deletions` has been trimmed.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('revision', 0), ('deletions_from', 0);

-- One space for each encoder. `active` is 1 or NULL, so that UNIQUE allows one active space.
CREATE TABLE spaces (
    space INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    dim INTEGER NOT NULL CHECK (dim > 0),
    active INTEGER UNIQUE CHECK (active = 1)
) STRICT;

-- AUTOINCREMENT: the row of a deleted item is never given to another one.
-- `revision` is of the last change of any kind, `encoded` of the last change of the picture.
CREATE TABLE items (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    picture TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    revision INTEGER NOT NULL,
    encoded INTEGER NOT NULL
) STRICT;

CREATE INDEX items_by_revision ON items (revision);

-- Only pictures that Kinlens keeps itself are ever looked up by reference.
CREATE INDEX items_by_copy ON items (picture) WHERE substr(picture, 1, 5) = 'copy:';

-- float32, little-endian. The key starts with the row, because deleting an item looks it up.
CREATE TABLE vectors (
    row INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
    space INTEGER NOT NULL REFERENCES spaces,
    vector BLOB NOT NULL,
    UNIQUE (row, space)
) STRICT;

CREATE TABLE deletions (
    row INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL
) STRICT;

CREATE INDEX deletions_by_revision ON deletions (revision);

-- The last thing that became of each picture. Not bound to items: a failed picture has no item.
CREATE TABLE ledger (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    reference TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;

CREATE INDEX ledger_by_state ON ledger (state, id);
