// Answers of Anthropic's /v1/messages: a list of content blocks (thoughts, text, uses of tools),
// and a stream of events that tells how each of them grows.
//
// Source    The Anthropic API reference, "Messages" and "Streaming messages".

#pragma once

#include "cli/serve/api/answer_writer.hpp"

#include <cstdint>
#include <string>

namespace larql::serve::anthropic {

class messages_writer final : public answer_writer {
public:
  messages_writer(answer_identity identity, bool stream)
      : identity_(std::move(identity)), stream_(stream) {}

  [[nodiscard]] bool streams() const noexcept override { return stream_; }
  /// Nothing: the first event tells how many tokens the prompt has.
  void begin(std::string&) override {}
  void write(const completion_event& event, std::string& out) override;
  void keep_alive(std::string& out) const override;
  [[nodiscard]] ordered_json whole(const completion_result& result) const override;

private:
  enum class block_kind : std::uint8_t { none, thinking, text, tool_use };

  [[nodiscard]] ordered_json message(ordered_json content, const completion_usage& usage) const;
  void start(const completion_usage& usage, std::string& out);
  void open(block_kind kind, ordered_json block, std::string& out);
  void close(std::string& out);
  void delta(const char* type, const char* key, const std::string& value, std::string& out) const;
  void finish(const completion_end& end, std::string& out);

  answer_identity identity_;
  bool stream_;
  bool started_ = false;
  block_kind kind_ = block_kind::none;
  std::size_t index_ = 0; // of the block that grows, or of the next one
  choice_end end_;
};

} // namespace larql::serve::anthropic
