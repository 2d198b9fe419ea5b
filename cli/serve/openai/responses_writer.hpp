// Answers of /v1/responses: a list of items (thoughts, a message, calls), and a stream of events
// that tells how each of them grows.
//
// Source    The OpenAI API reference, "The response object" and "Streaming events".

#pragma once

#include "cli/serve/api/answer_writer.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace larql::serve::openai {

class responses_writer final : public answer_writer {
public:
  struct options {
    bool stream = false;
    bool logprobs = false;
    ordered_json echo; ///< responses_request::echo
  };

  responses_writer(answer_identity identity, options o)
      : identity_(std::move(identity)), options_(std::move(o)) {}

  [[nodiscard]] bool streams() const noexcept override { return options_.stream; }
  void begin(std::string& out) override;
  void write(const completion_event& event, std::string& out) override;
  [[nodiscard]] ordered_json whole(const completion_result& result) const override;

private:
  enum class item_kind : std::uint8_t { none, reasoning, message, call };

  [[nodiscard]] ordered_json response(const char* status, ordered_json output) const;
  [[nodiscard]] ordered_json item_json(const char* status) const;
  void open(item_kind kind, std::string& out);
  void close(const char* status, std::string& out);
  void emit(const char* type, ordered_json data, std::string& out);
  [[nodiscard]] ordered_json at_item() const;
  void add_text(item_kind kind, const std::string& text,
                const std::vector<token_logprobs>& logprobs, std::string& out);
  void finish(const completion_end& end, std::string& out);
  void fail(const api_error& error, std::string& out);

  answer_identity identity_;
  options options_;

  // Of a stream.
  std::uint64_t sequence_ = 0;
  ordered_json output_ = ordered_json::array(); // items that are complete
  item_kind kind_ = item_kind::none;            // of the item that grows
  std::string text_;                            // of that item: text, or arguments
  std::vector<token_logprobs> logprobs_;
  std::string call_id_, name_; // of a call
  finish_reason reason_ = finish_reason::stop;
};

} // namespace larql::serve::openai
