#include "cli/serve/server/routes.hpp"

#include "cli/serve/page/answer_path.hpp"

#include <array>

namespace larql::serve {

namespace {

struct path_route {
  std::string_view path;
  route to;
};

constexpr auto get = false, post = true, open = false, with_key = true;
using enum protocol;

// Paths without /v1 are there for clients whose base URL lacks it.
constexpr auto routes = std::array{
    path_route{"/", {endpoint::root, ollama, get, open}},
    path_route{"/health", {endpoint::health, openai, get, open}},
    path_route{"/metrics", {endpoint::metrics, openai, get}},
    path_route{"/props", {endpoint::props, openai, get}},
    path_route{"/tokenize", {endpoint::tokenize, openai, post}},
    path_route{"/detokenize", {endpoint::detokenize, openai, post}},
    path_route{"/apply-template", {endpoint::apply_template, openai, post}},
    path_route{"/v1/models", {endpoint::models, openai, get}},
    path_route{"/models", {endpoint::models, openai, get}},
    path_route{"/v1/chat/completions", {endpoint::chat_completions, openai, post}},
    path_route{"/chat/completions", {endpoint::chat_completions, openai, post}},
    path_route{"/v1/completions", {endpoint::completions, openai, post}},
    path_route{"/completions", {endpoint::completions, openai, post}},
    path_route{"/v1/responses", {endpoint::responses, openai, post}},
    path_route{"/responses", {endpoint::responses, openai, post}},
    path_route{"/v1/messages", {endpoint::messages, anthropic, post}},
    path_route{"/v1/messages/count_tokens", {endpoint::count_tokens, anthropic, post}},
    path_route{"/api/chat", {endpoint::ollama_chat, ollama, post}},
    path_route{"/api/generate", {endpoint::ollama_generate, ollama, post}},
    path_route{"/api/tags", {endpoint::ollama_tags, ollama, get}},
    path_route{"/api/show", {endpoint::ollama_show, ollama, post}},
    path_route{"/api/ps", {endpoint::ollama_ps, ollama, get}},
    path_route{"/api/version", {endpoint::ollama_version, ollama, get}},
    path_route{"/cluster", {endpoint::cluster, openai, get}},
    path_route{"/v1/embeddings", {endpoint::unsupported, openai, post, with_key, "embeddings"}},
    path_route{"/embeddings", {endpoint::unsupported, openai, post, with_key, "embeddings"}},
    path_route{"/v1/rerank", {endpoint::unsupported, openai, post, with_key, "reranking"}},
    path_route{"/v1/moderations", {endpoint::unsupported, openai, post, with_key, "moderation"}},
    path_route{"/v1/images/generations", {endpoint::unsupported, openai, post, with_key, "images"}},
    path_route{"/v1/images/edits", {endpoint::unsupported, openai, post, with_key, "images"}},
    path_route{"/v1/images/variations", {endpoint::unsupported, openai, post, with_key, "images"}},
    path_route{"/v1/audio/speech", {endpoint::unsupported, openai, post, with_key, "audio"}},
    path_route{"/v1/audio/transcriptions",
               {endpoint::unsupported, openai, post, with_key, "audio"}},
    path_route{"/v1/audio/translations", {endpoint::unsupported, openai, post, with_key, "audio"}},
    path_route{"/api/embed", {endpoint::unsupported, ollama, post, with_key, "embeddings"}},
    path_route{"/api/embeddings", {endpoint::unsupported, ollama, post, with_key, "embeddings"}},
    path_route{"/api/pull", {endpoint::unsupported, ollama, post, with_key, "pulling models"}},
    path_route{"/api/push", {endpoint::unsupported, ollama, post, with_key, "pushing models"}},
    path_route{"/api/create", {endpoint::unsupported, ollama, post, with_key, "making models"}},
    path_route{"/api/copy", {endpoint::unsupported, ollama, post, with_key, "copying models"}},
};

// The rest of the path is the name of a model.
constexpr std::string_view model_prefix = "/v1/models/";

// Files of the page are no secret.
constexpr std::string_view page_prefix = "/page/";

} // namespace

std::optional<route> find_route(std::string_view path) {
  if (path.size() > 1 && path.ends_with('/') && !path.ends_with("//"))
    path.remove_suffix(1);
  for (const auto& r : routes)
    if (r.path == path)
      return r.to;
  if (const auto answer = parse_answer_path(path))
    return route{endpoint::page_answer, openai, answer->action != answer_action::read};
  if (path.starts_with(page_prefix) && !path.starts_with(answer_prefix))
    return route{endpoint::page_file, openai, get, open};
  if (path.starts_with(model_prefix) && path.size() > model_prefix.size())
    return route{endpoint::model, openai, get};
  return std::nullopt;
}

protocol shape_of(std::string_view path, bool is_anthropic) {
  if (path.starts_with("/v1/messages") || (is_anthropic && path.starts_with("/v1/")))
    return anthropic;
  return path.starts_with("/api/") ? ollama : openai;
}

bool has_method(const route& r, std::string_view method) {
  return r.is_post ? method == "POST" : method == "GET" || method == "HEAD";
}

std::string methods_of(const route& r) {
  return r.is_post ? "POST" : "GET, HEAD";
}

} // namespace larql::serve
