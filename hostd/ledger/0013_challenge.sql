-- How an app wants its names to be proven to a certificate authority.

ALTER TABLE acm ADD COLUMN challenge TEXT CHECK (challenge IN ('http-01', 'tls-alpn-01', 'dns-01'));  -- NULL: any
