// The part of the API's service that asks the model.

#include "cli/serve/server/api_service.hpp"

#include "cli/serve/server/identity.hpp"
#include "cli/serve/server/replies.hpp"
#include "runtime/base/log.hpp"

namespace larql::serve {

namespace {

constexpr auto retry_ending_seconds = 10u;
constexpr auto retry_loading_seconds = 5u;
constexpr auto retry_busy_seconds = 1u;

/// What a worker has to do.
struct answer_work {
  endpoint to;
  std::string client;
  actors::http_request request;
  answer_identity identity;
  std::shared_ptr<answer_sink> sink;
  completion_backend* backend;
};

void run(answer_work& work) {
  const auto body = parse_body(work.request.body);
  work.request = {}; // its memory is free for others
  auto& sink = *work.sink;
  if (!body)
    return sink.refuse({error_kind::invalid, body.error().text});
  auto prepared = prepare(work.to, *body, work.identity, *work.backend);
  if (!prepared)
    return sink.refuse(std::move(prepared).error());
  if (!prepared->writer)
    return sink.answer(std::move(prepared->now));
  if (sink.is_dropped())
    return;
  prepared->ask.client = std::move(work.client);
  auto handle = work.backend->start(
      std::move(prepared->ask), [to = work.sink](completion_event e) { to->push(std::move(e)); });
  if (!handle)
    return sink.refuse(std::move(handle).error());
  sink.admit(std::move(prepared->writer), *std::move(handle));
}

// Whatever a library throws must not leave a client waiting.
void run_guarded(answer_work& work) {
  try {
    run(work);
  } catch (const std::exception& e) {
    log_warning("serve", "a request failed: {}", one_line(e.what()));
    work.sink->refuse({error_kind::internal, "the request could not be handled"});
  }
}

} // namespace

std::unique_ptr<actors::http_exchange> api_service::answer(const route& to, std::string client,
                                                           actors::http_request request,
                                                           actors::http_waker waker) {
  auto identity = identity_for_answer();
  auto headers = origin_headers(request);
  // Clients show these in their own errors.
  headers.emplace_back("x-request-id", "req_" + identity.id);
  headers.emplace_back("request-id", "req_" + identity.id);
  const auto shape = shape_of(request.path, request.has_header("anthropic-version"));
  auto state =
      std::make_shared<answer_state>(shape, std::move(headers), options_.limits, std::move(waker));
  auto exchange = std::make_unique<answer_exchange>(state);
  ask(to.to, std::move(client), std::move(request), std::move(identity), std::move(state));
  return exchange;
}

answer_identity api_service::identity_for_answer() const {
  const auto* backend = backend_.load();
  return new_identity(backend == nullptr ? std::string{} : backend->model().name);
}

void api_service::ask(endpoint to, std::string client, actors::http_request request,
                      answer_identity identity, std::shared_ptr<answer_sink> sink) {
  auto* backend = backend_.load();
  auto refused = api_error{error_kind::unavailable, {}};
  if (draining_.load()) {
    refused.message = "the server is about to end";
    refused.retry_after_seconds = retry_ending_seconds;
  } else if (backend == nullptr) {
    refused.message = "the model is being loaded";
    refused.retry_after_seconds = retry_loading_seconds;
  } else {
    auto work = std::make_shared<answer_work>(
        answer_work{to, std::move(client), std::move(request), std::move(identity), sink, backend});
    if (workers_->push([work] { run_guarded(*work); }))
      return;
    refused.kind = error_kind::too_many;
    refused.message = "too many requests wait to be read";
    refused.retry_after_seconds = retry_busy_seconds;
  }
  sink->refuse(std::move(refused));
}

} // namespace larql::serve
