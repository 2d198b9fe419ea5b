#include "cli/serve/server/replies.hpp"

namespace larql::serve {

namespace {

actors::http_reply with_body(std::string body, std::string_view type, unsigned status) {
  auto out = actors::http_reply{};
  out.status = status;
  out.headers = {{"Content-Type", std::string{type}}, {"Cache-Control", "no-store"}};
  out.body = std::move(body);
  return out;
}

} // namespace

actors::http_reply json_reply(const ordered_json& body, unsigned status) {
  return with_body(to_text(body), json_type, status);
}

actors::http_reply text_reply(std::string text, std::string_view type) {
  return with_body(std::move(text), type, 200);
}

actors::http_reply stream_reply(std::string_view type) {
  auto out = actors::http_reply{};
  out.is_stream = true;
  // The last one keeps proxies from collecting a stream before they pass it on.
  out.headers = {{"Content-Type", std::string{type}},
                 {"Cache-Control", "no-store"},
                 {"X-Accel-Buffering", "no"}};
  return out;
}

actors::http_reply error_reply(protocol p, const api_error& error) {
  auto out = json_reply(error_body(p, error), status_of(error.kind));
  if (error.retry_after_seconds != 0)
    out.headers.emplace_back("Retry-After", std::to_string(error.retry_after_seconds));
  if (!error.allowed_methods.empty())
    out.headers.emplace_back("Allow", error.allowed_methods);
  if (error.kind == error_kind::unauthorized)
    out.headers.emplace_back("WWW-Authenticate", "Bearer");
  return out;
}

} // namespace larql::serve
