#include "runtime/hub/http_error.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/log.hpp"
#include "runtime/hub/url.hpp"

namespace larql::hub {

namespace {

constexpr std::size_t max_words = 300;

std::string_view reason(long status) noexcept {
  switch (status) {
  case 400: return "Bad Request";
  case 401: return "Unauthorized";
  case 403: return "Forbidden";
  case 404: return "Not Found";
  case 409: return "Conflict";
  case 410: return "Gone";
  case 412: return "Precondition Failed";
  case 413: return "Payload Too Large";
  case 416: return "Range Not Satisfiable";
  case 422: return "Unprocessable Entity";
  case 429: return "Too Many Requests";
  case 500: return "Internal Server Error";
  case 502: return "Bad Gateway";
  case 503: return "Service Unavailable";
  case 504: return "Gateway Timeout";
  default: return "";
  }
}

// The Hub says it in a header and in JSON; storage hosts send XML, which is left out.
std::string server_words(const http_answer& a) {
  auto words = std::string{a.header("x-error-message")};
  if (words.empty() && a.body.starts_with("{")) {
    if (const auto parsed = parse_json(a.body, "answer")) {
      for (const auto* key : {"error", "message"})
        if (words.empty() && parsed->contains(key) && parsed->at(key).is_string())
          words = parsed->at(key).get<std::string>();
    }
  }
  words = one_line(words);
  if (words.size() > max_words)
    words = words.substr(0, max_words) + "…";
  return words;
}

std::string who(const access& as) {
  return as.token.empty() ? "no token was sent: set HF_TOKEN, or log in with huggingface-cli"
                          : fmt::format("the token of {}", as.token_source);
}

} // namespace

std::string status_text(const http_answer& a) {
  auto out = fmt::format("{}: {}", without_secrets(a.url), a.status);
  if (const auto r = reason(a.status); !r.empty())
    out.append(" ").append(r);
  if (const auto words = server_words(a); !words.empty())
    out.append(": ").append(words);
  return out;
}

failure answer_error(const http_answer& a, const access& as) {
  const auto text = status_text(a);
  const auto code = a.header("x-error-code");
  const auto origin = origin_of(a.url);
  if ((a.status == 401 || a.status == 403 || a.status == 404) && (!origin || *origin != as.origin))
    return fail(errc::unavailable, "{} (a storage host of the Hub refuses an address it was given)",
                text);
  switch (a.status) {
  case 401:
    return fail(errc::unavailable, "{} ({}{})", text, who(as),
                as.token.empty() ? "" : " is not valid, or may not see this repository");
  case 403:
    if (code == "GatedRepo")
      return fail(errc::unavailable,
                  "{} (a gated model: accept its conditions on its page, then use a token of that "
                  "account; {})",
                  text, as.token.empty() ? "none was sent" : who(as) + " may not read it");
    return fail(errc::unavailable, "{} ({}{})", text, who(as),
                as.token.empty() ? "" : " does not allow this: it may need the right to write");
  case 404:
    if (code == "RevisionNotFound")
      return fail(errc::not_found, "{} (no such branch, tag or commit)", text);
    if (code == "EntryNotFound")
      return fail(errc::not_found, "{} (no such file in this revision)", text);
    return fail(errc::not_found, "{} (misspelt, or private: {})", text,
                as.token.empty() ? "no token was sent" : who(as) + " may not see it");
  case 412:
    return fail(errc::unavailable, "{} (the repository changed meanwhile: run the command again)",
                text);
  case 416: return fail(errc::mismatch, "{} (the file there is shorter than expected)", text);
  default: return fail(errc::unavailable, "{}", text);
  }
}

} // namespace larql::hub
