// A link of a wide area network before a node on this machine.

#pragma once

#include "actors/net/wan_link.hpp"

namespace larql::test {

using actors::wan_link;
using actors::wan_profile;

inline wan_link link_to(std::uint16_t port, const wan_profile& profile) {
  return *actors::wan_link::start({{"127.0.0.1", port}}, profile);
}

} // namespace larql::test
