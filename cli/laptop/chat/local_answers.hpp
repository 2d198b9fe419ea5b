// Answers of the model in this process: a session of the session service, which keeps the tokens of
// the conversation with their keys and values.
//
// Owner     Borrows model and service, which outlive it.

#pragma once

#include "cli/laptop/chat/chat_answers.hpp"
#include "cli/laptop/session_answer.hpp"
#include "runtime/text/utf8_stream.hpp"

namespace larql::cli {

class local_answers final : public chat_answers {
public:
  /// errc::usage if the service takes no session.
  [[nodiscard]] static result<std::unique_ptr<local_answers>>
  open(const chat_model& model, const actors::session_provider& service,
       const text::chat_template& format);

  [[nodiscard]] turn_end answer(const chat_turn& turn, const answer_flags& flags,
                                const turn_events& events, const std::stop_token& stop) override;
  [[nodiscard]] result<std::optional<prompt_size>> measure(const chat_turn& turn,
                                                           const answer_flags& flags) override;
  [[nodiscard]] std::size_t context() const override;
  [[nodiscard]] std::string model() const override;
  [[nodiscard]] std::string nodes_text() override;
  void say_stats() const override;
  void forget() override { open_end_.reset(); }
  [[nodiscard]] result<std::optional<std::size_t>>
  save(const std::vector<text::chat_message>& messages, const answer_flags& flags,
       const std::filesystem::path& file) override;
  [[nodiscard]] result<std::optional<std::size_t>> load(const std::filesystem::path& file) override;

private:
  /// Where an answer was cut: the next one goes on there, token for token.
  struct cut_answer {
    std::string text;        ///< of the message that it belongs to
    std::uint32_t kept = 0;  ///< tokens of the session that stay
    std::uint64_t next = 0;  ///< index of the next token among those generated
    bool in_thought = false; ///< it was cut in a thought
  };
  /// What is asked of the session.
  struct plan {
    text::chat_prompt prompt; ///< its tokens are the whole conversation
    std::uint64_t first_index = 0;
  };

  local_answers(const chat_model& model, const actors::session_provider& service,
                const text::chat_template& format)
      : model_(model), service_(service), format_(format) {}
  [[nodiscard]] result<void> open_session();
  [[nodiscard]] result<plan> plan_of(const chat_turn& turn, const answer_flags& flags) const;
  [[nodiscard]] result<actors::session_request> request_of(plan p, const answer_flags& flags) const;
  void note_end(const chat_turn& turn, const plan& p, const std::vector<std::uint32_t>& given,
                const actors::answer_end& end, const std::string& text);
  [[nodiscard]] std::uint32_t nodes_count() const;

  const chat_model& model_;
  const actors::session_provider& service_;
  text::chat_template format_;
  actors::session_id session_ = 0;
  std::vector<std::uint32_t> held_; ///< tokens that the session has
  std::optional<cut_answer> open_end_;
  generate::answer_stats stats_;
};

} // namespace larql::cli
