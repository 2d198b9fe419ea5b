// The API as an HTTP server sees it: who may come in, which path leads where, and what is answered
// at once. Answers of the model are answer_exchange's business.
//
// Order     Host, Origin, path, method, key, body: what is wrong first is said.
// Owner     Its caller; lives longer than the HTTP server. The backend comes later, when the model
//           has been loaded; until then answers are 503.
// Threads   check() and start() by the HTTP server's thread; the others by any.

#pragma once

#include "actors/net/http_server.hpp"
#include "cli/serve/api/completion_backend.hpp"
#include "cli/serve/server/access_policy.hpp"
#include "cli/serve/server/answer_exchange.hpp"
#include "cli/serve/server/api_keys.hpp"
#include "cli/serve/server/kept_answers.hpp"
#include "cli/serve/server/routes.hpp"
#include "cli/serve/server/work_queue.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace larql::serve {

struct service_options {
  access_policy access;
  answer_limits limits;
  kept_limits kept; ///< answers of the page
  /// The server listens on addresses that only this machine reaches: numbers need no key.
  bool is_local = true;
  unsigned workers = 2;
  std::size_t most_waiting = 256; ///< requests that no worker has begun
};

class api_service final : public actors::http_handler {
public:
  /// Fails if there are no threads to be had.
  [[nodiscard]] static result<std::unique_ptr<api_service>> create(service_options options);
  ~api_service() override;

  /// From now on requests are answered by this backend, which lives longer; null: no more.
  void attach(completion_backend* backend);
  /// Takes these keys for requests from now on.
  void use_keys(api_keys keys);
  /// The text of /metrics.
  void use_metrics(std::function<std::string()> text);
  /// The text of /cluster, once there is one.
  void use_cluster(std::function<std::string()> json);
  /// Cancels answers of the page whose reader has been away for long. To be called every second or
  /// so.
  void sweep(std::chrono::steady_clock::time_point now) { kept_.sweep(now); }
  /// No new answers: 503, and the connection closes. Those under way go on.
  void drain();

  // actors::http_handler
  [[nodiscard]] std::optional<actors::http_reply> check(const actors::http_request& head) override;
  [[nodiscard]] std::unique_ptr<actors::http_exchange> start(actors::http_request request,
                                                             actors::http_waker waker) override;
  [[nodiscard]] actors::http_reply too_large(const actors::http_request& head,
                                             std::uint64_t limit) override;
  [[nodiscard]] actors::http_reply no_memory(const actors::http_request& head) override;

private:
  explicit api_service(service_options options)
      : options_(std::move(options)), kept_(options_.kept) {}

  /// What is known of a request that may come in.
  struct admitted {
    route to;
    std::string client;
  };
  [[nodiscard]] api_result<admitted> admit(const actors::http_request& head) const;
  [[nodiscard]] actors::http_reply known_reply(const route& to, const std::string& path,
                                               completion_backend* backend) const;
  [[nodiscard]] actors::http_reply preflight(const actors::http_request& head) const;
  [[nodiscard]] actors::http_reply refusal(const actors::http_request& head,
                                           const api_error& error) const;
  [[nodiscard]] actors::http_reply finished(const actors::http_request& head,
                                            actors::http_reply reply) const;
  [[nodiscard]] std::vector<actors::http_header>
  origin_headers(const actors::http_request& head) const;
  [[nodiscard]] std::unique_ptr<actors::http_exchange> answer(const route& to, std::string client,
                                                              actors::http_request request,
                                                              actors::http_waker waker);

  [[nodiscard]] answer_identity identity_for_answer() const;
  /// Has a worker read the request and ask the backend; what comes of it goes to the sink.
  void ask(endpoint to, std::string client, actors::http_request request, answer_identity identity,
           std::shared_ptr<answer_sink> sink);

  // api_page.cpp
  [[nodiscard]] actors::http_reply page_file_reply(const actors::http_request& head) const;
  [[nodiscard]] actors::http_reply cluster_reply() const;
  [[nodiscard]] std::unique_ptr<actors::http_exchange>
  page_answer(std::string client, actors::http_request request, actors::http_waker waker);
  [[nodiscard]] std::unique_ptr<actors::http_exchange> ask_for_page(const std::string& id,
                                                                    std::string client,
                                                                    actors::http_request request,
                                                                    actors::http_waker waker);

  service_options options_;
  kept_answers kept_;
  mutable std::mutex mutex_; // guards what follows
  std::shared_ptr<const api_keys> keys_ = std::make_shared<api_keys>();
  std::function<std::string()> metrics_;
  std::function<std::string()> cluster_;
  std::atomic<completion_backend*> backend_{nullptr};
  std::atomic<bool> draining_{false};
  std::unique_ptr<work_queue> workers_; // last: its threads use the rest
};

} // namespace larql::serve
