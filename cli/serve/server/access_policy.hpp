// Who may speak to the server besides having a key: which names of it are right, and which web
// pages may use it.
//
// A page of any site can make a browser send requests to this machine. A Host that is not ours
// means that a name of somebody else points here (DNS rebinding); an Origin that is not ours means
// that a page of another site is asking.
//
// Threads   Plain values.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace larql::serve {

struct access_policy {
  std::vector<std::string> hosts;   ///< further names of this server; "*": any
  std::vector<std::string> origins; ///< "https://example.org"; one that ends in * is a beginning
  std::string own_name;             ///< of this machine

  /// Addresses and localhost are always right; other names if they are listed or the machine's own.
  [[nodiscard]] bool allows_host(std::string_view host_header) const;

  /// Pages that the server itself has served, and those that are listed.
  [[nodiscard]] bool allows_origin(std::string_view origin, std::string_view host_header) const;
};

/// The name in a Host header, without port and brackets, in lower case.
[[nodiscard]] std::string host_name(std::string_view host_header);

} // namespace larql::serve
