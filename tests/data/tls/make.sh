#!/bin/sh
# Makes the certificates beside this file anew: an authority, the bridge, clients with and without a role,
# and a client of another authority. Valid for 100 years; their keys are public and protect nothing.
set -eu
cd "$(dirname "$0")"
ROLE=1.3.6.1.4.1.50316.802.1

authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
        -subj "/CN=$2" -keyout "$1.key" -out "$1.pem" -addext basicConstraints=critical,CA:TRUE
}

signed() { # name, authority, extension
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
        -keyout "$1.key" -out request.tmp
    printf '%s\n' "$3" > extensions.tmp
    openssl x509 -req -in request.tmp -CA "$2.pem" -CAkey "$2.key" -days 36500 \
        -extfile extensions.tmp -out "$1.pem" -set_serial "$4"
    rm request.tmp extensions.tmp
}

authority authority "Test authority"
authority strangers "Another authority"
signed bridge authority "subjectAltName=DNS:localhost,IP:127.0.0.1" 1
signed operator authority "$ROLE=ASN1:UTF8String:operator" 2
signed viewer authority "$ROLE=ASN1:UTF8String:viewer" 3
signed nobody authority "extendedKeyUsage=clientAuth" 4
signed critical authority "$ROLE=critical,ASN1:UTF8String:viewer" 6
signed stranger strangers "$ROLE=ASN1:UTF8String:operator" 5
rm strangers.key strangers.pem authority.key critical.key
