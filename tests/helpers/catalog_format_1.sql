BEGIN TRANSACTION;
CREATE TABLE files (
    file INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, track INTEGER REFERENCES tracks,
    kind TEXT NOT NULL CHECK (kind IN ('audio', 'error', 'skipped')), reason TEXT,
    missing INTEGER NOT NULL DEFAULT 0,
    tags TEXT NOT NULL DEFAULT '{}', sheet TEXT NOT NULL DEFAULT '{}',
    metadata TEXT GENERATED ALWAYS AS (json_patch(tags, sheet)) STORED
);
INSERT INTO "files" VALUES(1,'/music/000000.flac',1,1,1,'audio',NULL,0,'{"title": "Song 0", "artist": "Ann", "year": 1990, "genres": ["Jazz"]}','{}');
INSERT INTO "files" VALUES(2,'/music/000001.flac',1,1,2,'audio',NULL,0,'{"title": "Song 1", "artist": "Ann", "year": 1991, "genres": ["Jazz"]}','{}');
INSERT INTO "files" VALUES(3,'/music/000002.flac',1,1,3,'audio',NULL,0,'{"title": "Song 2", "artist": "Ann", "year": 1992, "genres": ["Jazz"]}','{}');
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO "meta" VALUES('model',1);
INSERT INTO "meta" VALUES('vectors','1444CED48ECBD8A4');
CREATE TABLE models (
    model INTEGER PRIMARY KEY, id TEXT NOT NULL, version TEXT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE, dim INTEGER NOT NULL
);
INSERT INTO "models" VALUES(1,'made','1','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',4);
CREATE TABLE roots (path TEXT PRIMARY KEY) WITHOUT ROWID;
INSERT INTO "roots" VALUES('/music');
CREATE TABLE tracks (
    track INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seconds REAL NOT NULL,
    codec TEXT NOT NULL, sr INTEGER NOT NULL, channels INTEGER NOT NULL,
    problem TEXT, descriptors TEXT
);
INSERT INTO "tracks" VALUES(1,'00000000000000000000000000000000',60.0,'flac',44100,2,NULL,NULL);
INSERT INTO "tracks" VALUES(2,'00000000000000000000000000000001',60.0,'flac',44100,2,NULL,NULL);
INSERT INTO "tracks" VALUES(3,'00000000000000000000000000000002',60.0,'flac',44100,2,NULL,NULL);
CREATE TABLE vectors (
    model INTEGER NOT NULL REFERENCES models, track INTEGER NOT NULL REFERENCES tracks,
    vector BLOB NOT NULL, UNIQUE (model, track)  -- its index lists tracks without their vectors
);
INSERT INTO "vectors" VALUES(1,1,X'18813F3E9F9F48BE162E733F3E961F3E');
INSERT INTO "vectors" VALUES(1,2,X'B1089EBEBA76553E3F3C403F439B0B3F');
INSERT INTO "vectors" VALUES(1,3,X'D89FE4BE9C674DBFD151CABE4F09D53C');
CREATE INDEX files_track ON files (track);
CREATE TRIGGER vectors_insert AFTER INSERT ON vectors BEGIN
    UPDATE meta SET value = hex(randomblob(8)) WHERE key = 'vectors'; END;
CREATE TRIGGER vectors_update AFTER UPDATE ON vectors BEGIN
    UPDATE meta SET value = hex(randomblob(8)) WHERE key = 'vectors'; END;
CREATE TRIGGER vectors_delete AFTER DELETE ON vectors BEGIN
    UPDATE meta SET value = hex(randomblob(8)) WHERE key = 'vectors'; END;
CREATE VIEW library AS SELECT
    t.track, t.id, f.path,
    json_extract(f.metadata, '$.title') AS title, json_extract(f.metadata, '$.artist') AS artist,
    json_extract(f.metadata, '$.artists') AS artists, json_extract(f.metadata, '$.album') AS album,
    json_extract(f.metadata, '$.album_artist') AS album_artist,
    json_extract(f.metadata, '$.year') AS year,
    json_extract(f.metadata, '$.date') AS date, json_extract(f.metadata, '$.genres') AS genres,
    json_extract(f.metadata, '$.label') AS label, json_extract(f.metadata, '$.isrc') AS isrc,
    json_extract(f.metadata, '$.mb_track') AS mb_track,
    json_extract(f.metadata, '$.mb_recording') AS mb_recording,
    json_extract(f.metadata, '$.mb_artists') AS mb_artists,
    json_extract(f.metadata, '$.mb_album') AS mb_album,
    json_extract(f.metadata, '$.bpm') AS bpm, json_extract(f.metadata, '$.key') AS key,
    json_extract(f.metadata, '$.track') AS track_number, json_extract(f.metadata, '$.disc') AS disc,
    t.seconds, t.codec, t.sr, t.channels, t.problem,
    json_extract(t.descriptors, '$.tempo') AS tempo,
    json_extract(t.descriptors, '$.tempo_confidence') AS tempo_confidence,
    json_extract(t.descriptors, '$.key') AS detected_key,
    json_extract(t.descriptors, '$.key_confidence') AS key_confidence,
    json_extract(t.descriptors, '$.loudness') AS loudness,
    json_extract(t.descriptors, '$.loudness_range') AS loudness_range,
    json_extract(t.descriptors, '$.peak') AS peak,
    json_extract(t.descriptors, '$.brightness') AS brightness,
    json_extract(t.descriptors, '$.onset_rate') AS onset_rate,
    json_extract(t.descriptors, '$.dynamic_complexity') AS dynamic_complexity,
    json_extract(t.descriptors, '$.regularity') AS regularity
FROM tracks t JOIN files f ON f.file =
    (SELECT g.file FROM files g WHERE g.track = t.track AND NOT g.missing ORDER BY g.path LIMIT 1);
COMMIT;
