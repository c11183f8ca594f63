//! The operations: who asks for what, jobs, and the service's own state.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::errors::{self, Answer, Refused, error, forbidden, invalid, media_type, not_found};
use super::operation as op;
use super::query::Query;
use super::settings::Shape;
use super::stream::StreamFault;
use super::world::{Kind, Which, World};
use super::{Inner, answers, auth, stream};
use crate::faults::{Twist, response};
use crate::front::Call;
use crate::live;

/// What one operation works with.
pub(crate) struct Work<'a> {
    pub(crate) inner: &'a Arc<Inner>,
    pub(crate) entry: u64,
    pub(crate) account: usize,
    pub(crate) shape: Shape,
    pub(crate) ids: &'a [String],
    pub(crate) query: Query<'a>,
    pub(crate) request: &'a Request<Bytes>,
    twist: Option<Twist>,
}

/// Carries out one request.
pub(crate) fn answer(
    inner: &Arc<Inner>,
    name: &'static str,
    ids: &[String],
    request: &Request<Bytes>,
    call: &Call,
) -> Response<Bytes> {
    let query = Query::new(request.uri().query().unwrap_or_default());
    let shape = inner.with(|world| world.settings.shape);
    let work = Work { inner, entry: call.entry, account: 0, shape, ids, query, request, twist: call.twist };
    work.open(name).unwrap_or_else(|| work.signed_in(name)).unwrap_or_else(|refusal| *refusal)
}

impl Work<'_> {
    /// Operations for everybody. None: it is another.
    fn open(&self, name: &'static str) -> Option<Answer> {
        let newer = self.shape != Shape::V0_2;
        Some(match name {
            op::UNKNOWN => Err(errors::no_route()),
            op::EXTRACT | op::CANCEL | op::REPORTS | op::PAGE_IMAGE | op::DELETE_CONTENT_PROJECT if !newer => {
                Err(errors::no_route())
            }
            op::DOCUMENT_CONTENT if self.shape == Shape::V0_4 => Err(errors::no_route()),
            op::PING => Ok(response(StatusCode::OK, "text/plain; charset=UTF-8", "pong")),
            op::HEALTH => {
                Ok(errors::ok(&json!({"services": [{"name": "inference", "status": "healthy", "count": 1}]})))
            }
            op::VERSION => Ok(errors::ok(&json!({"name": "nuextract-platform", "buildVersion": "simulated",
                "buildBranch": "main", "buildTime": "2025-12-18T12:00:00Z"}))),
            op::INFERENCE_STATUS => {
                let (running, waiting) = self.inner.look(|world, _| (world.running, world.queue.len()));
                let load = json!({"running": running, "waiting": waiting});
                let none = json!({"running": 0, "waiting": 0});
                let body =
                    if newer { json!({"inference": load}) } else { json!({"nuextract": load, "numarkdown": none}) };
                Ok(errors::ok(&body))
            }
            op::LOGIN_PAGE => auth::login_page(&self.query),
            op::TOKEN => self.inner.change(|world, now| auth::platform(world, now, self.request.body())),
            op::OPENID_TOKEN => Ok(self.inner.change(|world, now| auth::openid(world, now, self.request.body()))),
            _ => return None,
        })
    }

    fn signed_in(mut self, name: &'static str) -> Answer {
        self.account = self
            .inner
            .look(|world, now| auth::account(world, now, self.request.headers(), &self.inner.front.faults))?;
        let holder = self.inner.with(|world| world.settings.accounts[self.account].name.clone());
        self.inner.front.ledger.amend(self.entry, |entry| entry.account = Some(holder));
        match name {
            op::LIST => self.list(),
            op::GET_JOB => self.read(|world, which| errors::ok(&answers::record(world, which))),
            op::STATUS => self.read(|world, which| errors::ok(&answers::status(world, which))),
            op::REPORTS => self.read(|world, which| errors::ok(&answers::reports(world, which))),
            op::STREAM => self.stream(),
            op::CANCEL => self.cancel(),
            op::EXTRACTION_RESULT => self.result(Kind::Structured),
            op::MARKDOWN_RESULT => self.result(Kind::Content),
            op::TEMPLATE_RESULT => self.result(Kind::Template),
            op::EXTRACT => self.extract(),
            op::EXTRACT_BYTES => self.extract_bytes(),
            op::EXTRACT_TEXT => self.extract_text(),
            op::EXTRACT_DOCUMENT => self.extract_document(),
            op::MARKDOWN_FILE => self.markdown_file(),
            op::MARKDOWN_DOCUMENT => self.markdown_document(),
            op::TEMPLATE_BYTES => self.template_bytes(),
            op::TEMPLATE_TEXT => self.template_text(),
            op::TEMPLATE_DOCUMENT => self.template_document(),
            op::UPLOAD => self.upload(),
            op::GET_FILE | op::FILE_CONTENT => self.get_file(name == op::FILE_CONTENT),
            op::CONVERT => self.convert(),
            op::TEXT_DOCUMENT => self.text_document(),
            op::GET_DOCUMENT | op::DOCUMENT_CONTENT => self.get_document(name == op::DOCUMENT_CONTENT),
            op::PAGE_IMAGE => self.page_image(),
            op::EXAMPLES => self.examples(),
            op::CREATE_EXAMPLE | op::PUT_EXAMPLE => self.put_example(),
            op::GET_EXAMPLE | op::DELETE_EXAMPLE => self.get_example(name == op::DELETE_EXAMPLE),
            op::PROJECTS | op::CONTENT_PROJECTS => self.projects(name == op::PROJECTS),
            op::CREATE_PROJECT | op::CREATE_CONTENT_PROJECT => self.create_project(name == op::CREATE_PROJECT),
            op::GET_PROJECT => self.get_project(),
            op::PATCH_PROJECT | op::PATCH_CONTENT_PROJECT => self.patch_project(name == op::PATCH_PROJECT),
            op::DELETE_PROJECT | op::DELETE_CONTENT_PROJECT => self.delete_project(name == op::DELETE_PROJECT),
            op::PATCH_SETTINGS | op::PATCH_CONTENT_SETTINGS => self.patch_settings(name == op::PATCH_SETTINGS),
            op::RESET_SETTINGS | op::RESET_CONTENT_SETTINGS => self.reset_settings(name == op::RESET_SETTINGS),
            _ => Err(errors::no_route()),
        }
    }

    /// One id of the path.
    pub(crate) fn id(&self, place: usize) -> &str {
        self.ids.get(place).map_or("", String::as_str)
    }

    pub(crate) fn header(&self, name: &'static str) -> Option<&HeaderValue> {
        self.request.headers().get(HeaderName::from_static(name))
    }

    /// The content type in lower case, without parameters.
    pub(crate) fn media_type(&self) -> String {
        let value = self.request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The members of a JSON body.
    pub(crate) fn members(&self) -> Result<Map<String, Value>, Refused> {
        if self.media_type() != "application/json" {
            return Err(media_type());
        }
        match serde_json::from_slice(self.request.body()) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(invalid("body (expected an object)")),
            Err(e) => Err(invalid(&format!("body ({e})"))),
        }
    }

    /// `skip` and `perPage`.
    pub(crate) fn page(&self) -> Result<(usize, usize), Refused> {
        let most = self.inner.with(|world| world.settings.most_per_page);
        let number = |name: &str, usual: u64, least: u64, most: u64| match self.query.get(name) {
            None => Ok(usual),
            Some(text) => text
                .parse()
                .ok()
                .filter(|n| (least..=most).contains(n))
                .ok_or_else(|| invalid(&format!("query parameter {name}"))),
        };
        let skip = usize::try_from(number("skip", 0, 0, i64::MAX.unsigned_abs())?).unwrap_or(usize::MAX);
        Ok((skip, usize::try_from(number("perPage", 30, 1, most)?).unwrap_or(usize::MAX)))
    }

    /// A job of this account by the id in the path.
    fn find(&self, world: &World) -> Result<Which, Refused> {
        let which = *world.by_id.get(self.id(0)).ok_or_else(|| not_found("Job"))?;
        let job = &world.jobs[which.job];
        let seen = world.sees(self.account, job.account, job.organization.as_deref());
        seen.then_some(which).ok_or_else(|| forbidden("Job"))
    }

    fn read(&self, show: impl FnOnce(&World, Which) -> Response<Bytes>) -> Answer {
        self.inner.look(|world, _| self.find(world).map(|which| show(world, which)))
    }

    /// Newest first. Without an organization: the account's own.
    fn list(&self) -> Answer {
        let (skip, per_page) = self.page()?;
        let organization = self.query.get("organization");
        self.inner.look(|world, _| {
            if organization.is_some_and(|id| !world.settings.belongs(self.account, id)) {
                return Err(forbidden("Organization"));
            }
            let own = |job: &usize| {
                let job = &world.jobs[*job];
                match organization {
                    Some(id) => {
                        job.organization.as_deref() == Some(id)
                            && world.sees(self.account, job.account, job.organization.as_deref())
                    }
                    None => job.account == self.account,
                }
            };
            let all: Vec<usize> = (0..world.jobs.len()).rev().filter(own).collect();
            let page = all.iter().skip(skip).take(per_page);
            let items: Vec<Value> = page.map(|job| answers::record(world, Which { job: *job, child: None })).collect();
            Ok(errors::ok(&json!({"totalCount": all.len(), "skip": skip, "perPage": per_page, "items": items})))
        })
    }

    fn stream(&self) -> Answer {
        let accept = self.request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let accepted: Vec<&str> = accept.flat_map(|value| value.split(',')).map(str::trim).collect();
        let takes = |wanted: &&str| {
            ["text/event-stream", "application/json", "text/*", "*/*"]
                .contains(&wanted.split(';').next().unwrap_or_default().trim())
        };
        if !accepted.is_empty() && !accepted.iter().any(takes) {
            return Ok(errors::empty(StatusCode::NOT_ACCEPTABLE));
        }
        let (which, scripted) = self.inner.change(|world, _| {
            let which = self.find(world)?;
            let job = &mut world.jobs[which.job];
            job.streams += 1;
            Ok::<_, Refused>((which, job.plan.streams.get(job.streams as usize - 1).copied()))
        })?;
        let fault = match self.twist {
            Some(Twist::Stream(fault)) => fault,
            _ => scripted.unwrap_or(StreamFault::none()),
        };
        let mut reply = response(StatusCode::OK, "text/event-stream", Bytes::new());
        live::streaming(&mut reply, stream::open(self.inner, which, fault));
        Ok(reply)
    }

    fn cancel(&self) -> Answer {
        self.inner.change(|world, now| {
            let which = self.find(world)?;
            if which.child.is_some() {
                return Err(error(StatusCode::BAD_REQUEST, "ChildJob", "Cancel the parent job instead"));
            }
            world.cancel(which.job, now);
            Ok(errors::empty(StatusCode::OK))
        })
    }

    fn result(&self, kind: Kind) -> Answer {
        self.inner.look(|world, _| {
            let which = self.find(world)?;
            let job = &world.jobs[which.job];
            if job.kind != kind {
                return Err(not_found("Job"));
            }
            if job.ended.is_none() {
                let message = "The job is not completed yet";
                return Err(error(StatusCode::BAD_REQUEST, "JobNotCompleted", message));
            }
            let late = job.word == "timeout" && job.plan.output.is_some();
            if job.word == "completed" || late {
                let (typed, repaired) = answers::typed(world, job);
                let status = if repaired || late { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
                return Ok(errors::with_status(status, &typed));
            }
            let failure = answers::failure(job);
            let (code, message) =
                failure.unwrap_or_else(|| ("JobNotCompleted".to_owned(), format!("The job was {}", job.word)));
            Err(match code.as_str() {
                "QuotaExceeded" => error(StatusCode::FORBIDDEN, &code, &message),
                "InternalError" => error(StatusCode::INTERNAL_SERVER_ERROR, &code, &message),
                _ => error(StatusCode::BAD_REQUEST, &code, &message),
            })
        })
    }

    /// `timeout` of the query.
    pub(crate) fn timeout(&self) -> Result<Option<Duration>, Refused> {
        let text = self.query.get("timeout");
        let time = text.map(|text| super::params::duration(text).ok_or_else(|| invalid("query parameter timeout")));
        time.transpose()
    }
}
