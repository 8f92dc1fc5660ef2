-- The sources that were indexed, with the options that they were read with, as JSON.
CREATE TABLE sources (
    source INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    options TEXT NOT NULL
) STRICT;

-- The owner of the items that were added one by one.
INSERT INTO sources (source, name, options) VALUES (0, '', '{}');

-- NULL: the item is older than this column, and the next source that names it becomes its owner.
ALTER TABLE items ADD COLUMN owner INTEGER REFERENCES sources;

CREATE INDEX items_by_owner ON items (owner);

-- Part of the hash is enough to find equal pictures, and takes a quarter of the space.
CREATE INDEX items_by_content ON items (substr(content_hash, 1, 16));
