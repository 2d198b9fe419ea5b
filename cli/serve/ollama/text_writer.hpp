// Answers of Ollama's /api/chat and /api/generate: a JSON object for each piece, one to a line, or
// a single one for the whole.
//
// Calls of tools come whole, as this protocol has no pieces of arguments.
//
// Source    Ollama's API documentation.

#pragma once

#include "cli/serve/api/answer_writer.hpp"

#include <string>

namespace larql::serve::ollama {

enum class endpoint_kind : std::uint8_t { chat, generate };

class text_writer final : public answer_writer {
public:
  text_writer(answer_identity identity, endpoint_kind kind, bool stream, bool logprobs)
      : identity_(std::move(identity)), kind_(kind), stream_(stream), logprobs_(logprobs) {}

  [[nodiscard]] bool streams() const noexcept override { return stream_; }
  [[nodiscard]] std::string_view content_type() const noexcept override {
    return "application/x-ndjson";
  }
  void begin(std::string&) override {}
  void write(const completion_event& event, std::string& out) override;
  /// Nothing: the protocol has no comments.
  void keep_alive(std::string&) const override {}
  [[nodiscard]] ordered_json whole(const completion_result& result) const override;

  /// The answer to a request that only loads the model, or lets it go.
  [[nodiscard]] ordered_json loaded(bool unload) const;

private:
  [[nodiscard]] ordered_json envelope(const std::string& content, const std::string& thinking,
                                      ordered_json calls) const;
  void line(const std::string& content, const std::string& thinking, ordered_json calls,
            const std::vector<token_logprobs>& logprobs, std::string& out) const;

  answer_identity identity_; // of which the model is the name that the client used
  endpoint_kind kind_;
  bool stream_;
  bool logprobs_;
  choice_result::call call_; // that grows
  choice_end end_;
};

} // namespace larql::serve::ollama
