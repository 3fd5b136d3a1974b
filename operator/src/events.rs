//! Events of the API server about a resource, as `kubectl describe` shows them.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff;
use kube::api::{Api, PostParams};
use kube::core::ObjectMeta;
use kube::{Client, Resource as _};

use crate::MANAGER;
use crate::attempts::random;
use crate::jwt::Jwt;
use crate::log::{self, Level};
use crate::problem::shortened;

/// The longest part of an Event's name that is the resource's: a name has at most 253 bytes.
const NAME_LIMIT: usize = 220;

/// The type of an Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// As planned.
    Normal,
    /// A person should look at it.
    Warning,
}

/// Publishes Events.
pub struct Events {
    /// The API server.
    pub client: Client,
    /// The name of this process: the pod's.
    pub instance: String,
}

impl Events {
    /// Publishes an Event; a failure is logged.
    pub async fn publish(&self, jwt: &Jwt, type_: EventType, reason: &str, note: &str) {
        let now = jiff::Timestamp::now();
        let mut name = jwt.name().to_owned();
        name.truncate(NAME_LIMIT);
        let name = name.trim_end_matches(['.', '-']);
        let event = Event {
            metadata: ObjectMeta {
                name: Some(format!("{name}.{:x}{:04x}", now.as_microsecond(), random())),
                namespace: Some(jwt.namespace().to_owned()),
                ..ObjectMeta::default()
            },
            action: Some("Sign".to_owned()),
            event_time: Some(MicroTime(now)),
            reason: Some(reason.to_owned()),
            note: Some(shortened(note.to_owned())),
            type_: Some(if type_ == EventType::Normal { "Normal" } else { "Warning" }.to_owned()),
            regarding: Some(ObjectReference { ..jwt.object_ref(&()) }),
            reporting_controller: Some(MANAGER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        };
        let events: Api<Event> = Api::namespaced(self.client.clone(), jwt.namespace());
        if let Err(error) = events.create(&PostParams::default(), &event).await {
            log::resource(Level::Warning, "event-failed", jwt, &log::api_error(&error));
        }
    }
}
