// Answers of /v1/chat/completions.
//
// Source    The OpenAI API reference, "The chat completion object" and "The chat completion chunk
//           object"; reasoning_content and timings as llama.cpp has them.

#pragma once

#include "cli/serve/api/answer_writer.hpp"

#include <optional>

namespace larql::serve::openai {

class chat_writer final : public answer_writer {
public:
  struct options {
    bool stream = false;
    bool include_usage = false;
    bool logprobs = false;
    std::uint32_t choices = 1; ///< a stream begins with the role of each
  };

  chat_writer(answer_identity identity, const options& o)
      : identity_(std::move(identity)), options_(o) {}

  [[nodiscard]] bool streams() const noexcept override { return options_.stream; }
  void begin(std::string& out) override;
  void write(const completion_event& event, std::string& out) override;
  [[nodiscard]] ordered_json whole(const completion_result& result) const override;

private:
  [[nodiscard]] ordered_json envelope(const char* object) const;
  [[nodiscard]] ordered_json envelope_of(std::uint32_t choice, ordered_json delta,
                                         ordered_json logprobs, const char* finish) const;
  void chunk(std::uint32_t choice, ordered_json delta, std::string& out,
             ordered_json logprobs = {}) const;
  void finish(const completion_end* end, std::string& out);
  void write_end(const completion_end& end, std::string& out);

  answer_identity identity_;
  options options_;
  std::optional<choice_end> held_; // the last one: its chunk also has what the end knows
};

} // namespace larql::serve::openai
