// Answers of a server: OpenAI's chat completions over HTTP, of `larql serve` or of another.
//
// Nothing of a conversation stays there: its messages travel with every turn, and the server's
// prefix cache has what it read of them.
//
// Errors    Name the server's address, the status and its words.

#pragma once

#include "cli/laptop/chat/chat_answers.hpp"
#include "cli/laptop/chat/server_stream.hpp"
#include "runtime/hub/http.hpp"

#include <filesystem>
#include <memory>

namespace larql::cli {

struct server_options {
  std::string url;                    ///< "http://127.0.0.1:8090", with or without /v1
  std::filesystem::path api_key_file; ///< the first key of it is sent; empty: none
  std::filesystem::path ca;           ///< certificate that the server's is checked with; empty: the
                                      ///< system's
};

class server_answers final : public chat_answers {
public:
  /// Asks the server which model it has.
  [[nodiscard]] static result<std::unique_ptr<server_answers>> connect(const server_options& o,
                                                                       const std::stop_token& stop);

  [[nodiscard]] turn_end answer(const chat_turn& turn, const answer_flags& flags,
                                const turn_events& events, const std::stop_token& stop) override;
  [[nodiscard]] result<std::optional<prompt_size>> measure(const chat_turn& turn,
                                                           const answer_flags& flags) override;
  [[nodiscard]] std::size_t context() const override { return context_; }
  [[nodiscard]] std::string model() const override;
  [[nodiscard]] std::string nodes_text() override;
  void say_stats() const override;
  void forget() override {}
  [[nodiscard]] result<std::optional<std::size_t>>
  save(const std::vector<text::chat_message>& messages, const answer_flags& flags,
       const std::filesystem::path& file) override;
  [[nodiscard]] result<std::optional<std::size_t>> load(const std::filesystem::path& file) override;

private:
  server_answers() = default;
  [[nodiscard]] hub::http_request request_for(std::string_view path,
                                              const std::stop_token& stop) const;
  [[nodiscard]] result<std::string> get(std::string_view path, const std::stop_token& stop);
  [[nodiscard]] failure error_of(const hub::http_answer& a) const;
  void ask_props(const std::stop_token& stop);
  void look_at_nodes(const std::stop_token& stop);

  server_options options_;
  std::string base_; ///< without /v1
  std::string key_;
  std::string model_;
  std::size_t context_ = 0;
  hub::http_handle answers_;   ///< for the thread that receives an answer
  hub::http_handle questions_; ///< for short requests beside it
  turn_numbers last_;
  // What the server said about its nodes, and when.
  std::chrono::steady_clock::time_point looked_{};
  std::string waited_for_;
};

} // namespace larql::cli
