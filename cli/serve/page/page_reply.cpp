#include "cli/serve/page/page_reply.hpp"

#include <fmt/format.h>

namespace larql::serve {

namespace {

// "gzip", unless its quality is 0.
bool takes_gzip(std::string_view accepted) {
  const auto at = accepted.find("gzip");
  if (at == std::string_view::npos)
    return false;
  const auto rest = accepted.substr(at + 4, accepted.find(',', at) - at - 4);
  const auto quality = rest.find("q=");
  return quality == std::string_view::npos ||
         rest.find_first_of("123456789", quality) != std::string_view::npos;
}

} // namespace

bool wants_page(const actors::http_request& head) {
  return head.header("accept").find("text/html") != std::string_view::npos;
}

actors::http_reply page_reply(const page_file& file, const actors::http_request& head) {
  // Weak, because it stands for both forms of the file.
  const auto tag = fmt::format("W/\"{}\"", file.hash);
  auto out = actors::http_reply{};
  // Asked for again each time, so that the parts of a page are of one version.
  out.headers = {{"ETag", tag},
                 {"Cache-Control", "no-cache"},
                 {"Vary", "Accept, Accept-Encoding"},
                 {"Content-Security-Policy", std::string{content_security_policy}},
                 {"X-Content-Type-Options", "nosniff"},
                 {"Referrer-Policy", "no-referrer"},
                 {"Cross-Origin-Opener-Policy", "same-origin"},
                 {"Cross-Origin-Resource-Policy", "same-origin"},
                 {"Permissions-Policy", "camera=(), microphone=(), geolocation=()"}};
  if (head.header("if-none-match").find(file.hash) != std::string_view::npos) {
    out.status = 304;
    return out;
  }
  out.headers.emplace_back("Content-Type", std::string{file.type});
  const auto is_compressed = takes_gzip(head.header("accept-encoding"));
  if (is_compressed)
    out.headers.emplace_back("Content-Encoding", "gzip");
  out.body = is_compressed ? file.gzip : file.whole;
  return out;
}

} // namespace larql::serve
