// Answers the API's requests by the session service of this process: messages become tokens, rules
// become constraints, and what the service tells of tokens becomes events of the API.
//
// Owner     Borrows everything in session_parts, which lives longer.
// Threads   As completion_backend. Events come on the service's pass thread, where little is done
//           with them.

#pragma once

#include "actors/session/session_client.hpp"
#include "cli/serve/api/completion_backend.hpp"
#include "runtime/grammar/constraint.hpp"
#include "runtime/text/chat_template.hpp"
#include "runtime/text/generation_config.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace larql::serve {

struct session_parts {
  actors::session_client client;
  const text::tokenizer& tokens;
  text::generation_config defaults;
  std::optional<text::chat_template> format; ///< absent: Gemma 4's, as the model brings none
  bool thinking = false;                     ///< unless a request says so
  model_facts facts;
  /// Nodes that have experts now.
  std::function<std::uint32_t()> nodes = [] { return 0u; };
  /// Why messages cannot be made a prompt, although the model has a template.
  std::optional<failure> no_format = {};
};

class session_backend final : public completion_backend {
public:
  explicit session_backend(session_parts parts);

  [[nodiscard]] const model_facts& model() const override { return parts_.facts; }
  [[nodiscard]] api_result<std::unique_ptr<completion>>
  start(completion_request request, completion_event_fn on_event) override;
  [[nodiscard]] api_result<std::uint64_t> count_tokens(const completion_request& request) override;
  [[nodiscard]] api_result<std::string> prompt_text(const completion_request& request) override;
  [[nodiscard]] api_result<std::vector<std::uint32_t>>
  tokenize(const std::string& text, const tokenize_options& options) override;
  [[nodiscard]] std::string piece(std::uint32_t token) override;
  [[nodiscard]] api_result<std::string> detokenize(std::span<const std::uint32_t> tokens) override;

private:
  [[nodiscard]] text::chat_options chat_options_of(const completion_request& request) const;
  [[nodiscard]] api_result<std::vector<text::chat_prompt>>
  prompts_of(const completion_request& request) const;
  [[nodiscard]] api_result<generate::generation_options>
  options_of(const completion_request& request, bool in_thought) const;
  [[nodiscard]] api_result<actors::session_request>
  session_request_of(const completion_request& request, const text::chat_prompt& prompt,
                     std::uint64_t seed) const;

  session_parts parts_;
  std::shared_ptr<grammar::constraint_engine> constraints_;
};

} // namespace larql::serve
