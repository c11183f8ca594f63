//! Signed requests: the payload's bytes are signed once and sent as they were signed.
use std::fmt;
use std::marker::PhantomData;

use consign_http::{Delivery, Error, ErrorKind};
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::types;
use crate::{Identity, PublicKey, ServerVersion};

/// The name under which a payload stands. A server that finds none under the name it expects closes the connection
/// without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PayloadMember {
    /// `payload`: submissions from 0.3.26 on, cancellations from 0.3.24 on, logs.
    Payload,
    /// `job_create_payload`: submissions up to 0.3.25.
    JobCreatePayload,
    /// `job_cancel_payload`: cancellations of 0.3.21 to 0.3.23.
    JobCancelPayload,
}

impl PayloadMember {
    const ALL: [Self; 3] = [Self::Payload, Self::JobCreatePayload, Self::JobCancelPayload];

    /// The name for a submission to a server of this version. A server that names no release is taken for a late one
    /// only if the caller says so: `None` means 0.3.25, the last version that this interface was documented for.
    pub fn for_submit(version: Option<ServerVersion>) -> Self {
        match version {
            Some(version) if version >= ServerVersion::new(0, 3, 26) => Self::Payload,
            _ => Self::JobCreatePayload,
        }
    }
    /// The name for a cancellation on a server of this version; `None` means 0.3.25. Servers before 0.3.21 cannot
    /// cancel.
    pub fn for_cancel(version: Option<ServerVersion>) -> Self {
        match version {
            Some(version) if version < ServerVersion::new(0, 3, 24) => Self::JobCancelPayload,
            _ => Self::Payload,
        }
    }
    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::JobCreatePayload => "job_create_payload",
            Self::JobCancelPayload => "job_cancel_payload",
        }
    }
}

/// A submission.
pub type SubmitEnvelope = Envelope<types::JobCreatePayload>;
/// A cancellation.
pub type CancelEnvelope = Envelope<types::JobCancelPayload>;
/// A request for the output of an execution, sent over a WebSocket.
pub type LogsEnvelope = Envelope<types::LogsPayload>;

/// A payload, as the text that was signed, and its signature. It is written with exactly these bytes.
pub struct Envelope<P> {
    member: PayloadMember,
    payload: Box<RawValue>,
    signature: String,
    client_public_key: String,
    /// Members that are not known here; they are written back as they came.
    pub extra: Map<String, Value>,
    kind: PhantomData<fn() -> P>,
}

impl<P> Envelope<P> {
    /// The payload in its compact form, signed.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if the payload cannot be written as JSON, and as [`Identity::sign`].
    pub fn sign(identity: &Identity, payload: &P, member: PayloadMember) -> Result<Self, Error>
    where
        P: Serialize,
    {
        let bad = |error| {
            Error::invalid_member(member.as_str(), "", "a value that can be written as JSON").with_source(error)
        };
        Self::of(identity, to_raw_value(payload).map_err(bad)?, member)
    }
    /// A payload that is JSON text already, signed as it stands.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if it is not one JSON value without white space around it, and as
    /// [`Identity::sign`].
    pub fn sign_text(identity: &Identity, payload: &str, member: PayloadMember) -> Result<Self, Error> {
        let bad = |error| Error::invalid_member(member.as_str(), payload, "JSON text").with_source(error);
        let payload = RawValue::from_string(payload.to_owned()).map_err(bad)?;
        Self::of(identity, payload, member)
    }
    fn of(identity: &Identity, payload: Box<RawValue>, member: PayloadMember) -> Result<Self, Error> {
        let signature = identity.sign(payload.get().as_bytes())?;
        let client_public_key = identity.public_key().to_string();
        Ok(Self { member, payload, signature, client_public_key, extra: Map::new(), kind: PhantomData })
    }
    /// The name under which the payload stands.
    pub fn member(&self) -> PayloadMember {
        self.member
    }
    /// The text that was signed.
    pub fn payload_text(&self) -> &str {
        self.payload.get()
    }
    /// The payload.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] if the text is no such payload.
    pub fn payload(&self) -> Result<P, Error>
    where
        P: DeserializeOwned,
    {
        let bad = |e: serde_json::Error| Error::new(ErrorKind::Decode, Delivery::NotSent, e.to_string()).with_source(e);
        serde_json::from_str(self.payload.get()).map_err(bad)
    }
    /// The signature, in base64.
    pub fn signature(&self) -> &str {
        &self.signature
    }
    /// The public key, in base64.
    pub fn client_public_key(&self) -> &str {
        &self.client_public_key
    }
    /// Whether the signature is right: the key's owner signed just this text.
    pub fn is_genuine(&self) -> bool {
        let key = PublicKey::from_base64(&self.client_public_key);
        key.is_ok_and(|key| key.verifies(self.payload.get().as_bytes(), &self.signature))
    }
}

impl<P> Clone for Envelope<P> {
    fn clone(&self) -> Self {
        Self {
            member: self.member,
            payload: self.payload.clone(),
            signature: self.signature.clone(),
            client_public_key: self.client_public_key.clone(),
            extra: self.extra.clone(),
            kind: PhantomData,
        }
    }
}

impl<P> fmt::Debug for Envelope<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field(self.member.as_str(), &self.payload.get())
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}

impl<P> Serialize for Envelope<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3 + self.extra.len()))?;
        map.serialize_entry(self.member.as_str(), &self.payload)?;
        map.serialize_entry("signature", &self.signature)?;
        map.serialize_entry("client_public_key", &self.client_public_key)?;
        for (name, value) in &self.extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de, P> Deserialize<'de> for Envelope<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor(PhantomData))
    }
}

struct EnvelopeVisitor<P>(PhantomData<fn() -> P>);

impl<'de, P> Visitor<'de> for EnvelopeVisitor<P> {
    type Value = Envelope<P>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a signed request")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<P>, A::Error> {
        let (mut payload, mut signature, mut client_public_key) = (None, None, None);
        let mut extra = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if let Some(member) = PayloadMember::ALL.into_iter().find(|member| member.as_str() == name) {
                if payload.is_some() {
                    return Err(A::Error::custom("two payloads"));
                }
                payload = Some((member, map.next_value::<Box<RawValue>>()?));
                continue;
            }
            match name.as_str() {
                "signature" => signature = Some(map.next_value()?),
                "client_public_key" => client_public_key = Some(map.next_value()?),
                _ => drop(extra.insert(name, map.next_value()?)),
            }
        }
        let (member, payload) = payload.ok_or_else(|| A::Error::missing_field("payload"))?;
        Ok(Envelope {
            member,
            payload,
            signature: signature.ok_or_else(|| A::Error::missing_field("signature"))?,
            client_public_key: client_public_key.ok_or_else(|| A::Error::missing_field("client_public_key"))?,
            extra,
            kind: PhantomData,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::test_identity;

    const PYTHON: &str = r#"{ "ClientID" : "x",  "JobID":"9304c616", "Reason": "h\u00e9 é </x> 1.50" }"#;

    #[test]
    fn the_bytes_that_were_signed_are_the_bytes_that_are_written() {
        let identity = test_identity();
        let envelope = CancelEnvelope::sign_text(&identity, PYTHON, PayloadMember::Payload).unwrap();
        let text = serde_json::to_string(&envelope).unwrap();
        assert!(text.starts_with(&format!("{{\"payload\":{PYTHON},\"signature\":\"")), "{text}");
        assert!(identity.public_key().verifies(PYTHON.as_bytes(), envelope.signature()));
        assert_eq!(envelope.payload().unwrap().reason.as_deref(), Some("hé é </x> 1.50"));

        let back: CancelEnvelope = serde_json::from_str(&text).unwrap();
        assert_eq!((back.payload_text(), back.member()), (PYTHON, PayloadMember::Payload));
        assert!(back.is_genuine() && back.extra.is_empty());
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
    }

    #[test]
    fn a_payload_from_a_value_is_compact_and_stands_under_the_name_of_the_version() {
        let identity = test_identity();
        let payload = types::JobCancelPayload::new(identity.client_id(), "9304c616");
        for (version, name) in [("0.3.21", "job_cancel_payload"), ("v0.3.24", "payload"), ("1.0.3", "payload")] {
            let member = PayloadMember::for_cancel(ServerVersion::read(version));
            let text = serde_json::to_string(&Envelope::sign(&identity, &payload, member).unwrap()).unwrap();
            let start = format!(r#"{{"{name}":{{"ClientID":"{}","JobID":"9304c616"}}"#, identity.client_id());
            assert!(text.starts_with(&start), "{text}");
        }
        for (version, name) in
            [(Some("0.3.25"), "job_create_payload"), (Some("0.3.26"), "payload"), (None, "job_create_payload")]
        {
            assert_eq!(PayloadMember::for_submit(version.and_then(ServerVersion::read)).as_str(), name);
        }
    }

    #[test]
    fn an_envelope_without_its_parts_or_with_another_signature_is_seen() {
        for text in [
            "[]",
            "{}",
            r#"{"payload":{},"signature":"a"}"#,
            r#"{"signature":"a","client_public_key":"b"}"#,
            r#"{"payload":{},"job_create_payload":{},"signature":"a","client_public_key":"b"}"#,
        ] {
            assert!(serde_json::from_str::<SubmitEnvelope>(text).is_err(), "{text}");
        }
        let text = r#"{"payload":{"a": 1},"signature":"a","client_public_key":"b","more":[1]}"#;
        let envelope: SubmitEnvelope = serde_json::from_str(text).unwrap();
        assert!(!envelope.is_genuine());
        assert_eq!(envelope.payload().unwrap_err().kind(), ErrorKind::Decode);
        assert_eq!(serde_json::to_value(&envelope).unwrap()["more"], serde_json::json!([1]));
        assert!(CancelEnvelope::sign_text(&test_identity(), "{", PayloadMember::Payload).is_err());
    }
}
