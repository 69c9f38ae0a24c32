-- The warehouse's own database is made by the image; the servers have theirs.
CREATE DATABASE prefect;
CREATE DATABASE mlflow;
CREATE DATABASE mlflow_auth;
\connect prefect
CREATE EXTENSION IF NOT EXISTS pg_trgm;
