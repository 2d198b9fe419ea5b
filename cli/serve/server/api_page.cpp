// The part of the API's service that the page uses: its files, its answers, and the cluster.

#include "cli/serve/page/answer_path.hpp"
#include "cli/serve/page/page_reply.hpp"
#include "cli/serve/server/api_service.hpp"
#include "cli/serve/server/known_exchange.hpp"
#include "cli/serve/server/replies.hpp"
#include "runtime/base/one_line.hpp"

namespace larql::serve {

namespace {

constexpr auto retry_loading_seconds = 5u;
constexpr auto retry_full_seconds = 10u;
constexpr std::string_view page_prefix = "/page/";

actors::http_reply not_found(std::string_view path) {
  return error_reply(
      protocol::openai,
      {error_kind::not_found, fmt::format("there is no {}", one_line(path.substr(0, 200)))});
}

} // namespace

actors::http_reply api_service::page_file_reply(const actors::http_request& head) const {
  const auto path = std::string_view{head.path};
  const auto name = path.starts_with(page_prefix) ? path.substr(page_prefix.size()) : "index.html";
  const auto* file = find_page_file(name);
  return file == nullptr ? not_found(path) : page_reply(*file, head);
}

actors::http_reply api_service::cluster_reply() const {
  auto cluster = std::function<std::string()>{};
  {
    const auto lock = std::scoped_lock{mutex_};
    cluster = cluster_;
  }
  if (cluster)
    return text_reply(cluster(), json_type);
  auto error = api_error{error_kind::unavailable, "the model is being loaded"};
  error.retry_after_seconds = retry_loading_seconds;
  return error_reply(protocol::openai, error);
}

std::unique_ptr<actors::http_exchange> api_service::page_answer(std::string client,
                                                                actors::http_request request,
                                                                actors::http_waker waker) {
  const auto known = [&](actors::http_reply reply) {
    return std::make_unique<known_exchange>(finished(request, std::move(reply)));
  };
  const auto path = parse_answer_path(request.path);
  if (!path)
    return known(not_found(request.path));
  if (path->action == answer_action::ask)
    return ask_for_page(path->id, std::move(client), std::move(request), std::move(waker));
  auto answer = kept_.find(path->id, client);
  if (path->action == answer_action::stop) {
    if (answer)
      answer->drop();
    return known(json_reply(ordered_json::object()));
  }
  if (!answer || answer->is_dropped())
    return known(
        error_reply(protocol::openai, {error_kind::not_found, "this answer is not kept any more"}));
  return std::make_unique<kept_exchange>(std::move(answer), path->offset, origin_headers(request),
                                         std::move(waker));
}

std::unique_ptr<actors::http_exchange> api_service::ask_for_page(const std::string& id,
                                                                 std::string client,
                                                                 actors::http_request request,
                                                                 actors::http_waker waker) {
  auto place = kept_.open(id, client);
  if (!place.answer) {
    auto error = place.is_full ? api_error{error_kind::too_many, "too many answers are under way"}
                               : api_error{error_kind::invalid, "this id is taken"};
    error.retry_after_seconds = place.is_full ? retry_full_seconds : 0;
    return std::make_unique<known_exchange>(refusal(request, error));
  }
  auto out =
      std::make_unique<kept_exchange>(place.answer, 0, origin_headers(request), std::move(waker));
  // A request that comes again, because its connection was lost, is the same answer.
  if (place.is_new)
    ask(endpoint::page_answer, std::move(client), std::move(request), identity_for_answer(),
        std::move(place.answer));
  return out;
}

} // namespace larql::serve
