//! The older way to get a token: prove that one has a key.
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use consign_http::{Delivery, Error, ErrorKind};
use serde::Serialize;

use super::types;
use crate::Identity;

/// The name of the way in which a client proves that it has a key. Take it as the server lists it: some have it in
/// other letters.
pub const CLIENT_KEY: &str = "clientkey";

/// What the server wants to see, in this order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Proof<'a> {
    phrase_signature: &'a str,
    public_key: &'a str,
}

/// The proof that one has the key of `identity`, for a server that lists the way `name` as `method`. What
/// [`auth_login`](super::Client::auth_login) answers to it holds a bearer token.
///
/// # Errors
/// [`ErrorKind::Unsupported`] if that way asks for something else than a signature, and as [`Identity::sign`].
pub fn client_key_proof(
    name: &str,
    method: &types::AuthMethod,
    identity: &Identity,
) -> Result<types::AuthRequest, Error> {
    let phrase = method.params.as_ref().and_then(|params| params.input_phrase.as_deref());
    let phrase = phrase.and_then(|phrase| BASE64_STANDARD.decode(phrase).ok());
    let other = || {
        let what = format!("the way {name:?} to a token asks for something else than the signature of a phrase");
        Error::new(ErrorKind::Unsupported, Delivery::NotSent, what)
    };
    let signature = identity.sign(&phrase.ok_or_else(other)?)?;
    let proof = Proof { phrase_signature: &signature, public_key: identity.public_key().as_str() };
    // Two texts can always be written.
    let proof = serde_json::to_vec(&proof).unwrap_or_default();
    Ok(types::AuthRequest::new(name, BASE64_STANDARD.encode(proof)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::test_identity;
    use serde_json::{Value, json};

    fn method(params: Value) -> types::AuthMethod {
        serde_json::from_value(json!({"type": "challenge", "params": params})).unwrap()
    }

    #[test]
    fn the_decoded_phrase_is_signed() {
        let identity = test_identity();
        let request = client_key_proof("clientkey", &method(json!({"InputPhrase": "bm9kZTE="})), &identity).unwrap();
        assert_eq!(request.name, "clientkey");
        let proof: Value = serde_json::from_slice(&BASE64_STANDARD.decode(&request.method_data).unwrap()).unwrap();
        assert_eq!(proof["PublicKey"], identity.public_key().as_str());
        assert!(identity.public_key().verifies(b"node1", proof["PhraseSignature"].as_str().unwrap()));
    }

    #[test]
    fn another_way_is_no_way() {
        for params in [json!({}), json!({"InputPhrase": "no base64!"}), Value::Null] {
            let error = client_key_proof("ask", &method(params), &test_identity()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
    }
}
