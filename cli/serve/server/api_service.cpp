#include "cli/serve/server/api_service.hpp"

#include "cli/serve/ollama/models.hpp"
#include "cli/serve/openai/models.hpp"
#include "cli/serve/page/page_reply.hpp"
#include "cli/serve/server/known_exchange.hpp"
#include "cli/serve/server/replies.hpp"
#include "runtime/base/one_line.hpp"

namespace larql::serve {

namespace {

constexpr auto metrics_type = "text/plain; version=0.0.4; charset=utf-8";

// How soon it is worth trying again.
constexpr auto retry_loading_seconds = 5u;
constexpr auto retry_busy_seconds = 2u;

bool is_anthropic(const actors::http_request& head) {
  return head.has_header("anthropic-version") || head.has_header("x-api-key");
}

protocol shape_for(const actors::http_request& head) {
  return shape_of(head.path, is_anthropic(head));
}

} // namespace

result<std::unique_ptr<api_service>> api_service::create(service_options options) {
  auto out = std::unique_ptr<api_service>{new api_service{std::move(options)}};
  LARQL_TRY(out->workers_, work_queue::start(out->options_.workers, out->options_.most_waiting));
  return out;
}

api_service::~api_service() = default;

void api_service::attach(completion_backend* backend) {
  backend_.store(backend);
}

void api_service::use_keys(api_keys keys) {
  const auto lock = std::scoped_lock{mutex_};
  keys_ = std::make_shared<api_keys>(std::move(keys));
}

void api_service::use_metrics(std::function<std::string()> text) {
  const auto lock = std::scoped_lock{mutex_};
  metrics_ = std::move(text);
}

void api_service::use_cluster(std::function<std::string()> json) {
  const auto lock = std::scoped_lock{mutex_};
  cluster_ = std::move(json);
}

void api_service::drain() {
  draining_.store(true);
}

// ---- who may come in ----------------------------------------------------------------------------

api_result<api_service::admitted> api_service::admit(const actors::http_request& head) const {
  const auto host = head.header("host");
  if (!options_.access.allows_host(host) && !(host.empty() && head.has_http_1_0))
    return api_error{error_kind::forbidden,
                     fmt::format("\"{}\" is not a name of this server (--allowed-host)",
                                 one_line(host.substr(0, 200)))};
  const auto origin = head.header("origin");
  if (!origin.empty() && !options_.access.allows_origin(origin, host))
    return api_error{error_kind::forbidden,
                     fmt::format("pages of {} may not use this server (--allowed-origin)",
                                 one_line(origin.substr(0, 200)))};
  const auto to = find_route(head.path);
  if (!to)
    return api_error{error_kind::not_found,
                     fmt::format("there is no {}", one_line(head.path.substr(0, 200)))};
  if (head.method == "OPTIONS")
    return admitted{*to, {}};
  if (!has_method(*to, head.method)) {
    auto error = api_error{error_kind::wrong_method,
                           fmt::format("{} takes {}", one_line(head.path), methods_of(*to))};
    error.allowed_methods = methods_of(*to);
    return error;
  }
  const auto open_here =
      options_.is_local && (to->to == endpoint::metrics || to->to == endpoint::props);
  auto keys = std::shared_ptr<const api_keys>{};
  {
    const auto lock = std::scoped_lock{mutex_};
    keys = keys_;
  }
  if (keys->empty() || !to->needs_key || open_here)
    return admitted{*to, {}};
  const auto key = key_of(head.header("authorization"), head.header("x-api-key"));
  if (auto client = keys->identify(key))
    return admitted{*to, *std::move(client)};
  return api_error{error_kind::unauthorized,
                   key.empty() ? "an API key is needed: Authorization: Bearer KEY, or x-api-key"
                               : "this API key is not known here"};
}

std::optional<actors::http_reply> api_service::check(const actors::http_request& head) {
  auto in = admit(head);
  if (!in)
    return refusal(head, in.error());
  if (head.method == "OPTIONS")
    return finished(head, preflight(head));
  return std::nullopt;
}

// Browsers ask this, without a key, before they send what a page wants to send.
actors::http_reply api_service::preflight(const actors::http_request& head) const {
  auto out = actors::http_reply{};
  out.status = 204;
  if (head.header("origin").empty())
    return out;
  const auto wanted = head.header("access-control-request-headers");
  out.headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST"},
                 {"Access-Control-Max-Age", "600"}};
  // Headers are harmless to an origin that is on the list.
  if (!wanted.empty() && wanted.size() <= 1024)
    out.headers.emplace_back("Access-Control-Allow-Headers", std::string{wanted});
  return out;
}

// ---- replies ------------------------------------------------------------------------------------

std::vector<actors::http_header>
api_service::origin_headers(const actors::http_request& head) const {
  const auto origin = head.header("origin");
  if (origin.empty() || !options_.access.allows_origin(origin, head.header("host")))
    return {};
  return {{"Access-Control-Allow-Origin", std::string{origin}},
          {"Access-Control-Expose-Headers", "x-request-id, Retry-After"},
          {"Vary", "Origin"}};
}

actors::http_reply api_service::finished(const actors::http_request& head,
                                         actors::http_reply reply) const {
  for (auto& header : origin_headers(head))
    reply.headers.push_back(std::move(header));
  return reply;
}

actors::http_reply api_service::refusal(const actors::http_request& head,
                                        const api_error& error) const {
  return finished(head, error_reply(shape_for(head), error));
}

actors::http_reply api_service::too_large(const actors::http_request& head, std::uint64_t limit) {
  return refusal(head,
                 {error_kind::too_large, fmt::format("the body is larger than {} bytes", limit)});
}

actors::http_reply api_service::no_memory(const actors::http_request& head) {
  auto error = api_error{error_kind::unavailable, "too many large requests at once"};
  error.retry_after_seconds = retry_busy_seconds;
  return refusal(head, error);
}

actors::http_reply api_service::known_reply(const route& to, const std::string& path,
                                            completion_backend* backend) const {
  if (to.to == endpoint::root)
    return text_reply("larql is running\n");
  if (to.to == endpoint::metrics) {
    const auto lock = std::scoped_lock{mutex_};
    return text_reply(metrics_ ? metrics_() : std::string{}, metrics_type);
  }
  if (backend == nullptr) {
    auto error = api_error{error_kind::unavailable, "the model is being loaded"};
    error.retry_after_seconds = retry_loading_seconds;
    return error_reply(to.shape, error);
  }
  const auto& model = backend->model();
  switch (to.to) {
  case endpoint::health: {
    auto ok = ordered_json::object();
    ok["status"] = "ok";
    return json_reply(ok);
  }
  case endpoint::props: return json_reply(openai::props_json(model));
  case endpoint::models: return json_reply(openai::models_json(model));
  case endpoint::model:
    if (path.substr(path.rfind("/models/") + 8) == model.name)
      return json_reply(openai::model_json(model));
    return error_reply(to.shape, {error_kind::not_found,
                                  fmt::format("the model here is {}", model.name), "model"});
  case endpoint::ollama_tags: return json_reply(ollama::tags_json(model));
  case endpoint::ollama_ps: return json_reply(ollama::ps_json(model));
  case endpoint::ollama_version: return json_reply(ollama::version_json(model));
  default: break;
  }
  return error_reply(to.shape, {error_kind::internal, "this path needs a body"});
}

std::unique_ptr<actors::http_exchange> api_service::start(actors::http_request request,
                                                          actors::http_waker waker) {
  // Keys may have changed since the headers came.
  auto in = admit(request);
  if (!in)
    return std::make_unique<known_exchange>(refusal(request, in.error()));
  const auto [to, client] = *std::move(in);
  if (to.to == endpoint::unsupported)
    return std::make_unique<known_exchange>(
        refusal(request, {error_kind::unsupported,
                          fmt::format("this server does not support {}", to.what)}));
  if (to.to == endpoint::page_answer)
    return page_answer(client, std::move(request), std::move(waker));
  if (to.to == endpoint::page_file || (to.to == endpoint::root && wants_page(request)))
    return std::make_unique<known_exchange>(finished(request, page_file_reply(request)));
  if (to.to == endpoint::cluster)
    return std::make_unique<known_exchange>(finished(request, cluster_reply()));
  if (!to.is_post)
    return std::make_unique<known_exchange>(
        finished(request, known_reply(to, request.path, backend_.load())));
  return answer(to, client, std::move(request), std::move(waker));
}

} // namespace larql::serve
