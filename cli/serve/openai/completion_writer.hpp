// Answers of /v1/completions: text without roles.
//
// Source    The OpenAI API reference, "The completion object".

#pragma once

#include "cli/serve/api/answer_writer.hpp"

#include <optional>
#include <vector>

namespace larql::serve::openai {

class completion_writer final : public answer_writer {
public:
  struct options {
    bool stream = false;
    bool include_usage = false;
    bool logprobs = false;
  };

  completion_writer(answer_identity identity, const options& o)
      : identity_(std::move(identity)), options_(o) {}

  [[nodiscard]] bool streams() const noexcept override { return options_.stream; }
  void begin(std::string&) override {}
  void write(const completion_event& event, std::string& out) override;
  [[nodiscard]] ordered_json whole(const completion_result& result) const override;

private:
  [[nodiscard]] ordered_json envelope() const;
  [[nodiscard]] ordered_json envelope_of(ordered_json choice) const;
  void chunk(std::uint32_t choice, const std::string& text,
             const std::vector<token_logprobs>& logprobs, std::string& out);
  void finish(const completion_end* end, std::string& out);

  answer_identity identity_;
  options options_;
  std::vector<std::size_t> offsets_; // of each choice: bytes of text so far, by its tokens
  std::optional<choice_end> held_;   // the last one: its chunk also has what the end knows
};

} // namespace larql::serve::openai
