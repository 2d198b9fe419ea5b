// A model that says what a test tells it to, in place of the session service.
//
// A request's events come at once if the test has given them before, and else when the test pushes
// them. What became of each request can be asked.
//
// Threads   Any.

#pragma once

#include "cli/serve/api/completion_backend.hpp"
#include "tests/cli/serve/sample_answers.hpp"
#include "tests/support/child_process.hpp"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace larql::test {

class fake_backend final : public serve::completion_backend {
public:
  /// One request that was started.
  struct started {
    serve::completion_request request;
    serve::completion_event_fn push;
    std::atomic<bool> cancelled{false};
    std::atomic<bool> paused{false};
    std::atomic<int> pauses{0};
  };
  using started_ptr = std::shared_ptr<started>;

  fake_backend() {
    facts.name = "gemma4";
    facts.family = "gemma4";
    facts.version = "0.1.0";
    facts.context = 8192;
    facts.parallel = 4;
    facts.created = 1'795'000'000;
    facts.digest = std::string(64, 'a');
  }

  serve::model_facts facts;

  /// What every later request is answered with at once.
  void answer_with(std::vector<serve::completion_event> events) {
    const auto lock = std::scoped_lock{mutex_};
    events_ = std::move(events);
  }
  /// Every later request is refused.
  void refuse_with(serve::api_error error) {
    const auto lock = std::scoped_lock{mutex_};
    refusal_ = std::move(error);
  }

  /// The request with this number, from 0, once it has been started; null if it is not.
  [[nodiscard]] started_ptr wait_for(std::size_t number) {
    auto lock = std::unique_lock{mutex_};
    changed_.wait_for(lock, test_timeout, [&] { return all_.size() > number; });
    return all_.size() > number ? all_[number] : nullptr;
  }
  [[nodiscard]] std::size_t count() {
    const auto lock = std::scoped_lock{mutex_};
    return all_.size();
  }

  // ---- serve::completion_backend ----------------------------------------------------------------

  [[nodiscard]] const serve::model_facts& model() const override { return facts; }

  [[nodiscard]] serve::api_result<std::unique_ptr<serve::completion>>
  start(serve::completion_request request, serve::completion_event_fn on_event) override {
    auto made = std::make_shared<started>();
    made->request = std::move(request);
    made->push = std::move(on_event);
    auto now = std::vector<serve::completion_event>{};
    {
      const auto lock = std::scoped_lock{mutex_};
      if (refusal_)
        return *refusal_;
      all_.push_back(made);
      now = events_;
    }
    changed_.notify_all();
    for (auto& e : now)
      made->push(std::move(e));
    return std::unique_ptr<serve::completion>{std::make_unique<handle>(made)};
  }

  [[nodiscard]] serve::api_result<std::uint64_t>
  count_tokens(const serve::completion_request& request) override {
    return static_cast<std::uint64_t>(request.messages.size()) * 10;
  }
  [[nodiscard]] serve::api_result<std::string>
  prompt_text(const serve::completion_request& request) override {
    return "<bos>" + request.messages.front().content;
  }
  [[nodiscard]] serve::api_result<std::vector<std::uint32_t>>
  tokenize(const std::string& text, const tokenize_options& options) override {
    auto out = std::vector<std::uint32_t>{};
    if (options.add_bos)
      out.push_back(2);
    for (const auto c : text)
      out.push_back(static_cast<unsigned char>(c));
    return out;
  }
  [[nodiscard]] std::string piece(std::uint32_t token) override {
    return {static_cast<char>(token)};
  }
  [[nodiscard]] serve::api_result<std::string>
  detokenize(std::span<const std::uint32_t> tokens) override {
    auto out = std::string{};
    for (const auto t : tokens)
      out += static_cast<char>(t);
    return out;
  }

private:
  class handle final : public serve::completion {
  public:
    explicit handle(started_ptr to) : to_(std::move(to)) {}
    ~handle() override { to_->cancelled.store(true); }
    void pause() override {
      to_->paused.store(true);
      ++to_->pauses;
    }
    void resume() override { to_->paused.store(false); }

  private:
    started_ptr to_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<started_ptr> all_;
  std::vector<serve::completion_event> events_;
  std::optional<serve::api_error> refusal_;
};

} // namespace larql::test
