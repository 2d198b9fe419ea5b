// How many calls each of several laptops may have in flight through a relay, so that all of them
// together never have more than the relay may have at an owner.
//
// Credits are shared in equal parts. Whoever has more than his part when others come keeps what he
// has in use until it is answered; the others get what is free meanwhile, and more later.
//
// Threads   Plain state; one owner.

#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

namespace larql::actors {

class credit_pool {
public:
  using client = std::uint64_t;

  explicit credit_pool(std::uint32_t total) : total_(total) {}

  [[nodiscard]] client join() {
    clients_.emplace(++last_, share{});
    return last_;
  }
  void leave(client c) { clients_.erase(c); }

  /// What the client may have in flight from now on. Ask again now and then: others come and go.
  [[nodiscard]] std::uint32_t renew(client c) {
    auto& mine = clients_.at(c);
    const auto part = total_ / static_cast<std::uint32_t>(clients_.size());
    auto others = std::uint32_t{0};
    for (const auto& [id, s] : clients_)
      if (id != c)
        others += s.held();
    mine.granted = std::min(part, total_ - std::min(total_, others));
    return mine.granted;
  }

  /// One more call of the client. False if it has no credit left.
  [[nodiscard]] bool begin(client c) {
    auto& mine = clients_.at(c);
    if (mine.in_flight >= mine.granted)
      return false;
    ++mine.in_flight;
    return true;
  }
  void end(client c) { --clients_.at(c).in_flight; }

private:
  struct share {
    std::uint32_t granted = 0;
    std::uint32_t in_flight = 0;

    [[nodiscard]] std::uint32_t held() const noexcept { return std::max(granted, in_flight); }
  };

  std::uint32_t total_;
  client last_ = 0;
  std::map<client, share> clients_;
};

} // namespace larql::actors
