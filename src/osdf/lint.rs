//! Checks of a resource against the profile of its token, with errors at the fields of the
//! resource.

use serde_json::{Map, Value};

use super::location::{FieldError, FieldPath, ResourceError};
use super::resource::Resource;
use crate::policy::profile::{Profile, Recognition, recognize};
use crate::policy::profile_checks;
use crate::policy::scope::Scopes;
use crate::policy::{CheckState, Finding, Verdict};
use crate::util::quote::quote;

/// Returns all values of a resource that a validator rejects or that violate the profile.
pub(super) fn remarks(resource: &Resource, payload: &Map<String, Value>) -> Vec<ResourceError> {
    let data = FieldPath::root().member("spec").member("data");
    let remark = |path: FieldPath, reason: String, hint: Option<String>| {
        resource.error(path, FieldError::Profile { reason, hint })
    };
    let profile = match recognize(payload) {
        Recognition::Profile(profile) => profile,
        Recognition::Both => Profile::Wlcg,
        Recognition::None => {
            let reason = "follows no profile: has neither 'wlcg.ver' nor 'ver'".to_owned();
            return vec![remark(data, reason, Some("add wlcg.ver: \"1.0\"".to_owned()))];
        }
    };
    let mut header = Map::new();
    header.insert("alg".to_owned(), resource.algorithm.name().into());
    header.insert("kid".to_owned(), resource.kid.as_str().into());
    let mut verdict = Verdict::new();
    profile_checks::check(profile, &header, payload, &mut verdict);
    let mut remarks: Vec<ResourceError> = verdict
        .findings()
        .iter()
        .filter(|finding| matches!(finding.state, CheckState::Fail | CheckState::Warn))
        .map(|finding| remark(field(finding, &data, resource), finding.reason.clone(), finding.hint.clone()))
        .collect();
    for name in resource.data.keys() {
        if let Some(near) =
            crate::policy::profile::nearest_claim(name).filter(|near| !resource.data.contains_key(*near))
        {
            let reason = format!("no claim of the {} profile: did you mean '{near}'?", profile.title());
            remarks.push(remark(data.member(name), reason, None));
        }
    }
    remarks
}

/// Returns a note if the resource has a write scope without the read scope that it requires.
pub(super) fn write_note(resource: &Resource) -> Option<String> {
    let scopes = Scopes::parse(resource.data.get("scope")?.as_str()?);
    let writes: Vec<String> = scopes.writes_without_read().into_iter().map(quote).collect();
    if writes.is_empty() {
        return None;
    }
    Some(format!(
        "{}: no scope permits reading at the path of {}: XRootD before 5.6 then rejects uploads by xrdcp and \
         deletions, which ask for the status of the file first",
        quote(&resource.name),
        writes.join(", ")
    ))
}

/// Returns the field of the resource that a finding refers to.
fn field(finding: &Finding, data: &FieldPath, resource: &Resource) -> FieldPath {
    let spec = FieldPath::root().member("spec");
    let path = match finding.check {
        "algorithm" => spec.member("algorithm"),
        "kid" => spec.member("keyId"),
        "issuer-form" => spec.member("issuer"),
        "lifetime" => spec.member("expiryTime"),
        "audience-form" => data.member("aud"),
        "scope-form" => data.member("scope"),
        "profile" if resource.data.contains_key("ver") => data.member("ver"),
        "profile" => data.member("wlcg.ver"),
        _ => data.clone(),
    };
    if resource.line_of(&path) > 0 { path } else { data.clone() }
}
