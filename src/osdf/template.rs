//! A resource with a comment at each field, to start from.

use serde_json::json;

use crate::key::Algorithm;

/// The fields of the new resource; the others have fixed values.
#[derive(Debug, Clone, Copy)]
pub struct ResourceTemplate<'a> {
    /// `metadata.name`.
    pub name: &'a str,
    /// `spec.issuer`.
    pub issuer: &'a str,
    /// `spec.keyId`.
    pub kid: &'a str,
    /// `spec.algorithm`.
    pub algorithm: Algorithm,
    /// `spec.data.sub`.
    pub subject: &'a str,
    /// `spec.data.scope`.
    pub scope: &'a str,
    /// `spec.key.file`.
    pub key_file: &'a str,
}

impl ResourceTemplate<'_> {
    /// Returns the resource as YAML. Strings are in double quotes as in JSON, so that YAML does not
    /// read them as another type.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let string = |text: &str| json!(text).to_string();
        format!(
            "# A token for the Open Science Data Federation (OSDF).
# cc-jwt spec check FILE validates it; cc-jwt renew --spec FILE -o TOKEN renews the token.
apiVersion: tokens.osg-htc.org/v1
kind: JWT
metadata:
  # Also the name of the Secret.
  name: {name}
spec:
  # Becomes iss. Validators find the keys under it and compare it byte for byte: no slash at the end.
  issuer: {issuer}
  # The name of the key in the issuer's key set (cc-jwt jwks).
  keyId: {kid}
  # It has to fit the key; all validators read ES256 and RS256.
  algorithm: {algorithm}
  # The payload. iss, iat, nbf, exp and jti come by themselves.
  data:
    sub: {subject}
    # For any service; or name one.
    aud: \"https://wlcg.cern.ch/jwt/v1/any\"
    # Separated by single blanks: storage.read, storage.create (new files), storage.modify
    # (overwrite and delete too), storage.stage, storage.poll, each with :/PATH.
    scope: {scope}
    # In quotes: a text, not a number.
    wlcg.ver: \"1.0\"
  # Exactly one of days, hours, minutes. The WLCG profile has 15 minutes to 6 hours.
  expiryTime:
    hours: 6
  # Renewed when this remains. Every reader gets at least that: longer than the longest transfer.
  resignBefore:
    hours: 2
  key:
    # A file beside this one. Others: value (the PEM itself), env (a variable's name),
    # secret or configMap (name and key; off the cluster with --secrets-dir).
    file: {key}
",
            name = string(self.name),
            issuer = string(self.issuer),
            kid = string(self.kid),
            algorithm = self.algorithm,
            subject = string(self.subject),
            scope = string(self.scope),
            key = string(self.key_file),
        )
    }
}
