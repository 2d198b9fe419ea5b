// An answer as the page reads it: a JSON value on each line (docs/page.md, "Answers"). Shorter than
// OpenAI's chunks, since it is kept for readers that come back, and with the progress of reading.
//
//   {"progress":{"read","cached","total"}}   {"thought":TEXT}   {"text":TEXT}
//   {"end":{"reason","usage","timings","seed"}}   {"error":{"message","type",…}}

#pragma once

#include "cli/serve/api/answer_writer.hpp"

namespace larql::serve {

class page_writer final : public answer_writer {
public:
  [[nodiscard]] bool streams() const noexcept override { return true; }
  [[nodiscard]] std::string_view content_type() const noexcept override {
    return "application/x-ndjson; charset=utf-8";
  }
  void begin(std::string&) override {}
  void write(const completion_event& event, std::string& out) override;
  void keep_alive(std::string& out) const override { out += '\n'; }
  /// The page takes streams alone; this is one event of the whole text, for completeness.
  [[nodiscard]] ordered_json whole(const completion_result& result) const override;

private:
  finish_reason reason_ = finish_reason::stop;
};

} // namespace larql::serve
