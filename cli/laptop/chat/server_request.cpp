#include "cli/laptop/chat/server_request.hpp"

#include "runtime/base/json.hpp"

namespace larql::cli {

namespace {

const char* name_of(text::chat_role role) {
  switch (role) {
  case text::chat_role::system: return "system";
  case text::chat_role::model: return "assistant";
  case text::chat_role::tool: return "tool";
  case text::chat_role::user: break;
  }
  return "user";
}

// Options that change nothing are left out: not every server knows all of them.
void add_sampling(ordered_json& to, const answer_flags& flags) {
  const auto& s = flags.sampling;
  to["temperature"] = s.temperature;
  to["seed"] = s.seed;
  if (flags.top_k)
    to["top_k"] = *flags.top_k;
  if (flags.top_p)
    to["top_p"] = *flags.top_p;
  if (s.min_p != 0)
    to["min_p"] = s.min_p;
  if (s.repetition_penalty != 1)
    to["repetition_penalty"] = s.repetition_penalty;
  if (s.presence_penalty != 0)
    to["presence_penalty"] = s.presence_penalty;
  if (s.frequency_penalty != 0)
    to["frequency_penalty"] = s.frequency_penalty;
}

} // namespace

std::string server_request(const chat_turn& turn, const answer_flags& flags,
                           const std::string& model) {
  auto out = ordered_json::object();
  out["model"] = model;
  out["messages"] = ordered_json::array();
  for (const auto& m : turn.messages) {
    auto one = ordered_json::object();
    one["role"] = name_of(m.role);
    one["content"] = m.content;
    out["messages"].push_back(std::move(one));
  }
  out["stream"] = true;
  out["stream_options"]["include_usage"] = true;
  out["chat_template_kwargs"]["enable_thinking"] = flags.thinking;
  add_sampling(out, flags);
  if (flags.max_tokens != answer_flags::no_limit)
    out["max_tokens"] = flags.max_tokens;
  if (!flags.stop.empty())
    out["stop"] = flags.stop;
  return out.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

} // namespace larql::cli
