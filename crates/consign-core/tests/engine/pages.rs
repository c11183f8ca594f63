//! Queries and lists over pages: duplicates, circles, errors.
use consign_core::{Delivery, DynJobs, ErrorKind, Jobs};

use crate::fake::*;

async fn found(pages: Vec<PageAnswer>) -> (Vec<String>, usize) {
    let (jobs, world): (Jobs<Polled>, _) = jobs();
    world.pages.lock().unwrap().extend(pages);
    let (mut query, mut found) = (jobs.query(()), Vec::new());
    while let Some(next) = query.next().await {
        found.push(next.map_or_else(|e| e.kind().as_str().to_owned(), |f| f.job.ticket().data().to_owned()));
    }
    assert!(query.next().await.is_none());
    assert!(world.pages.lock().unwrap().is_empty());
    (found, world.paged.lock().unwrap().len())
}

fn page(ids: &[&'static str], next: &str) -> PageAnswer {
    Ok((ids.to_vec(), (!next.is_empty()).then(|| next.to_owned())))
}

#[tokio::test(start_paused = true)]
async fn all_pages_are_given_in_order_and_a_job_that_comes_again_once() {
    let pages = vec![page(&["a", "b"], "1"), page(&[], "2"), page(&["b", "c"], "3"), page(&["a"], "")];
    assert_eq!(found(pages).await, (vec!["a".to_owned(), "b".into(), "c".into()], 4));
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_comes_again_ends_the_query_after_what_was_found() {
    let pages = vec![page(&["a"], "1"), page(&["b"], "2"), page(&["c"], "1")];
    assert_eq!(found(pages).await.0, ["a", "b", "c", "undecodable answer"]);
    assert_eq!(found(vec![page(&["a"], "1"), page(&[], "1")]).await.0, ["a", "undecodable answer"]);
}

#[tokio::test(start_paused = true)]
async fn pages_without_end_and_without_anything_new_end_the_query() {
    let mut pages = vec![page(&["a"], "first")];
    pages.extend((0..100).map(|n| page(&["a"], &n.to_string())));
    assert_eq!(found(pages).await.0, ["a", "undecodable answer"]);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_tried_again_as_any_read_and_then_comes_after_what_was_found() {
    let lost = || Err(broken(ErrorKind::Transport, Delivery::Unknown));
    let pages = vec![page(&["a"], "1"), lost(), Err(status(503)), page(&["b"], "")];
    assert_eq!(found(pages).await.0, ["a", "b"]);
    let pages = vec![page(&["a"], "1"), Err(status(403))];
    assert_eq!(found(pages).await.0, ["a", "forbidden"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_goes_on_over_pages_of_which_a_filter_leaves_nothing_but_not_in_circles() {
    let listed = async |pages: Vec<PageAnswer>| {
        let (jobs, world): (Jobs<Polled>, _) = jobs();
        world.pages.lock().unwrap().extend(pages);
        let (mut list, mut found) = (DynJobs::new(jobs).list(), Vec::new());
        while let Some(next) = list.next().await {
            found.push(next.map_or_else(|e| e.kind().as_str().to_owned(), |f| f.job.ticket().data().to_owned()));
        }
        found
    };
    let out: Vec<&'static str> = (0..150).map(|n| &*format!("-{n}").leak()).collect();
    let mut pages: Vec<_> = (0..150).map(|n| page(&[out[n]], &n.to_string())).collect();
    pages.push(page(&["a", "-150"], ""));
    assert_eq!(listed(pages).await, ["a"]);
    let mut pages: Vec<_> = (0..101).map(|n| page(&["-0"], &n.to_string())).collect();
    pages.push(page(&["a"], ""));
    assert_eq!(listed(pages).await, ["undecodable answer"]);
}
