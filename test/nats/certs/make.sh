#!/bin/sh
# Makes the certificates of these tests anew, good for a hundred years: sh test/nats/certs/make.sh
set -eu
cd "$(dirname "$0")"
days=36500
ec="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
for ca in ca other_ca; do
  openssl req -x509 $ec -keyout $ca.key -out $ca.pem -days $days -subj "/CN=aegis test $ca" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
done
leaf() { # name, usage, authority, hosts
  openssl req $ec -keyout "$1.key" -out "$1.csr" -subj "/CN=aegis test $1"
  printf 'basicConstraints=critical,CA:FALSE\nsubjectAltName=%s\nextendedKeyUsage=%s\n' "$4" "$2" > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$3.pem" -CAkey "$3.key" -CAcreateserial -out "$1.pem" -days $days -extfile "$1.ext"
  rm "$1.csr" "$1.ext"
}
leaf server serverAuth ca DNS:localhost,IP:127.0.0.1
leaf elsewhere serverAuth ca DNS:elsewhere.test
leaf client clientAuth ca DNS:client.test
leaf other_client clientAuth other_ca DNS:client.test
# The authorities' keys are not kept: nothing else can be signed with them.
rm -f ca.key other_ca.key ca.srl other_ca.srl
