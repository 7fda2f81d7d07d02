-- What the buildpacks' bin/report said of a build, YAML.

ALTER TABLE builds ADD COLUMN report TEXT;
