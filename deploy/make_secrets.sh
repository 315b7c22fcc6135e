#!/bin/sh
# Writes the secrets that docker-compose.yml mounts into ./secrets, at random; one that is there already stays as it is.
# Containers read them as users of their own, so the files can be read by all, and the folder by its owner alone.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-secrets}
mkdir -p -m 700 "$folder"
umask 222

random() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
write() { [ -s "$folder/$1" ] || printf %s "$2" > "$folder/$1"; }

for name in postgres_password redis_password neo4j_password webhook_secret grafana_password; do
  write "$name" "$(random)"
done
for name in ingest_token read_token; do
  write "$name" "hyp_$(random)"
done
# As Neo4j's image wants it.
write neo4j_auth "neo4j/$(cat "$folder/neo4j_password")"
