#include "cli/serve/server/session_backend.hpp"

#include "cli/serve/server/session_events.hpp"
#include "runtime/text/utf8_stream.hpp"

#include <limits>
#include <random>

namespace larql::serve {

namespace {

constexpr auto retry_ending_seconds = 10u;

// Small enough to be the same number in every client's language.
std::uint64_t draw_seed() {
  auto device = std::random_device{};
  return device();
}

api_error error_of(const failure& f) {
  switch (f.code) {
  case errc::usage:
  case errc::mismatch:
  case errc::corrupt: return {error_kind::invalid, f.text};
  case errc::unsupported: return {error_kind::unsupported, f.text};
  case errc::unavailable:
  case errc::deadline: return {error_kind::unavailable, f.text};
  default: return {error_kind::internal, f.text};
  }
}

api_error error_of(const actors::refusal& r) {
  auto out = error_of(r.error);
  out.retry_after_seconds = static_cast<std::uint32_t>(r.retry_after.count());
  switch (r.kind) {
  case actors::refusal_kind::too_long:
    out.kind = error_kind::too_long;
    out.prompt_tokens = r.found;
    out.context_tokens = r.limit;
    break;
  case actors::refusal_kind::queue_full:
  case actors::refusal_kind::too_many_sessions:
    out.kind = error_kind::too_many;
    out.retry_after_seconds = std::max(out.retry_after_seconds, 1u);
    break;
  case actors::refusal_kind::ending:
    out.kind = error_kind::unavailable;
    out.retry_after_seconds = retry_ending_seconds;
    break;
  case actors::refusal_kind::invalid:
  case actors::refusal_kind::no_memory: out.kind = error_kind::invalid; break;
  case actors::refusal_kind::unknown_session:
  case actors::refusal_kind::busy_session: out.kind = error_kind::internal; break;
  }
  return out;
}

/// All requests to the service that one request of the API became.
class session_completion final : public completion {
public:
  void add(actors::answer_handle handle) { handles_.push_back(std::move(handle)); }
  void pause() override {
    for (auto& h : handles_)
      h.pause();
  }
  void resume() override {
    for (auto& h : handles_)
      h.resume();
  }

private:
  std::vector<actors::answer_handle> handles_;
};

} // namespace

session_backend::session_backend(session_parts parts)
    : parts_(std::move(parts)),
      constraints_(grammar::constraint_engine::create(
          parts_.tokens, {parts_.defaults.stop.begin(), parts_.defaults.stop.end()})) {}

text::chat_options session_backend::chat_options_of(const completion_request& request) const {
  auto out = text::chat_options{};
  out.thinking = request.thinking.value_or(parts_.thinking);
  out.tools = request.rules.tools;
  out.continue_answer = true;
  return out;
}

// One for a conversation, one for each raw prompt.
api_result<std::vector<text::chat_prompt>>
session_backend::prompts_of(const completion_request& request) const {
  auto out = std::vector<text::chat_prompt>{};
  if (request.prompts.empty()) {
    if (parts_.no_format)
      return error_of(*parts_.no_format);
    const auto format = parts_.format.value_or(text::chat_template{});
    auto prompt = format.render_prompt(request.messages, chat_options_of(request), parts_.tokens);
    if (!prompt)
      return error_of(prompt.error());
    out.push_back(*std::move(prompt));
    return out;
  }
  for (const auto& raw : request.prompts) {
    auto prompt = text::chat_prompt{};
    for (const auto token : raw.tokens)
      if (token >= parts_.tokens.size())
        return api_error{
            error_kind::invalid,
            fmt::format("token {} is outside the vocabulary of {}", token, parts_.tokens.size()),
            "prompt"};
    prompt.tokens = raw.tokens;
    if (prompt.tokens.empty()) {
      auto tokens = parts_.tokens.encode(raw.text, true, text::control_text::becomes_tokens);
      if (!tokens)
        return error_of(tokens.error());
      prompt.tokens = *std::move(tokens);
    }
    out.push_back(std::move(prompt));
  }
  return out;
}

api_result<generate::generation_options>
session_backend::options_of(const completion_request& request, bool in_thought) const {
  const auto& asked = request.sampling;
  const auto& defaults = parts_.defaults;
  auto out = generate::generation_options{};
  auto& s = out.sampling;
  s.temperature =
      asked.temperature.value_or(defaults.sample ? static_cast<float>(defaults.temperature) : 0.0f);
  s.top_k = asked.top_k.value_or(defaults.top_k);
  s.top_p = asked.top_p.value_or(static_cast<float>(defaults.top_p));
  s.min_p = asked.min_p.value_or(0.0f);
  s.repetition_penalty = asked.repetition_penalty.value_or(1.0f);
  s.presence_penalty = asked.presence_penalty.value_or(0.0f);
  s.frequency_penalty = asked.frequency_penalty.value_or(0.0f);
  s.bias = asked.bias;
  for (const auto& [token, value] : s.bias)
    if (token >= parts_.tokens.size())
      return api_error{
          error_kind::invalid,
          fmt::format("token {} is outside the vocabulary of {}", token, parts_.tokens.size()),
          "logit_bias"};
  for (const auto token : defaults.suppress)
    s.bias.emplace_back(token, -std::numeric_limits<float>::infinity());
  // A share of nothing is the least share there is: the most likely token.
  if (s.top_p <= 0) {
    s.top_p = 1;
    s.top_k = 1;
  }
  if (const auto ok = generate::check_options(s); !ok)
    return error_of(ok.error());
  out.max_tokens = request.max_tokens.value_or(parts_.facts.context);
  out.stop_tokens = {defaults.stop.begin(), defaults.stop.end()};
  out.stop_texts = request.stops;
  if (request.logprobs)
    out.logprobs = request.top_logprobs;
  auto rules = request.rules;
  rules.thinking = request.prompts.empty() && request.thinking.value_or(parts_.thinking);
  rules.in_thought = in_thought;
  auto limits = constraints_->compile(rules);
  if (!limits)
    return error_of(limits.error());
  out.constraint = *std::move(limits);
  return out;
}

api_result<actors::session_request>
session_backend::session_request_of(const completion_request& request,
                                    const text::chat_prompt& prompt, std::uint64_t seed) const {
  LARQL_TRY(auto options, options_of(request, prompt.in_thought));
  auto out = actors::session_request{};
  out.tokens = prompt.tokens;
  out.client = request.client;
  out.hints.system_end = static_cast<std::uint32_t>(prompt.system_end);
  out.hints.turn_ends.assign(prompt.turn_ends.begin(), prompt.turn_ends.end());
  for (auto i = std::uint32_t{0}; i < request.choices; ++i) {
    options.sampling.seed = actors::choice_seed(seed, i);
    if (request.prompts.empty())
      out.answers.emplace_back(options, text::output_reader{parts_.tokens, prompt.in_thought});
    else
      out.answers.emplace_back(options,
                               text::utf8_stream{parts_.tokens, text::special_tokens::skip});
  }
  return out;
}

api_result<std::unique_ptr<completion>> session_backend::start(completion_request request,
                                                               completion_event_fn on_event) {
  LARQL_TRY(const auto prompts, prompts_of(request));
  const auto seed = request.sampling.seed.value_or(draw_seed());
  auto events =
      std::make_shared<session_events>(parts_.tokens, static_cast<std::uint32_t>(prompts.size()),
                                       request.choices, seed, parts_.nodes(), std::move(on_event));
  auto out = std::make_unique<session_completion>();
  for (auto i = std::uint32_t{0}; i < prompts.size(); ++i) {
    LARQL_TRY(auto asked, session_request_of(request, prompts[i], seed));
    auto admitted = parts_.client.generate(
        std::move(asked), [events, i](actors::session_event e) { events->take(i, std::move(e)); });
    if (admitted.refused)
      return error_of(*admitted.refused);
    out->add(std::move(admitted.answer));
  }
  return std::unique_ptr<completion>{std::move(out)};
}

api_result<std::uint64_t> session_backend::count_tokens(const completion_request& request) {
  LARQL_TRY(const auto prompts, prompts_of(request));
  auto out = std::uint64_t{0};
  for (const auto& p : prompts)
    out += p.tokens.size();
  return out;
}

api_result<std::string> session_backend::prompt_text(const completion_request& request) {
  if (parts_.no_format)
    return error_of(*parts_.no_format);
  auto text = parts_.format.value_or(text::chat_template{})
                  .render_text(request.messages, chat_options_of(request));
  if (!text)
    return error_of(text.error());
  return *std::move(text);
}

api_result<std::vector<std::uint32_t>> session_backend::tokenize(const std::string& text,
                                                                 const tokenize_options& options) {
  auto tokens = parts_.tokens.encode(text, options.add_bos,
                                     options.control_tokens ? text::control_text::becomes_tokens
                                                            : text::control_text::stays_text);
  if (!tokens)
    return error_of(tokens.error());
  return std::vector<std::uint32_t>{tokens->begin(), tokens->end()};
}

std::string session_backend::piece(std::uint32_t token) {
  auto out = std::string{};
  if (token < parts_.tokens.size())
    parts_.tokens.append_bytes(token, text::special_tokens::keep, out);
  return out;
}

api_result<std::string> session_backend::detokenize(std::span<const std::uint32_t> tokens) {
  for (const auto token : tokens)
    if (token >= parts_.tokens.size())
      return api_error{
          error_kind::invalid,
          fmt::format("token {} is outside the vocabulary of {}", token, parts_.tokens.size()),
          "tokens"};
  return parts_.tokens.decode(tokens);
}

} // namespace larql::serve
