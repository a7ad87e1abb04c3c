/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What fastpath.c needs of the kernel's interface, and no more: numbers and
 * layouts that never change (include/uapi/linux/bpf.h, RFC 791, 8200, 9293).
 * With it the object depends on clang alone, not on whose headers are
 * installed, and comes out the same everywhere.
 */
#ifndef PORT843_KERNEL_H
#define PORT843_KERNEL_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static __attribute__((always_inline)) inline
/* A function of its own in the object: verified at each call, but there once. */
#define OUTLINE static __attribute__((noinline))

/* How clang's BTF says what a map is (libbpf's convention). */
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name
#define __array(name, value) typeof(value) *name[]

enum { MAP_HASH = 1, MAP_ARRAY = 2, MAP_PERCPU_ARRAY = 6, MAP_ARRAY_OF_MAPS = 12 };

enum { XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX };

/* The states of a socket, as bpf_sock.state says them. */
enum { TCP_TIME_WAIT = 6, TCP_LISTEN = 10 };

struct xdp_md {
	__u32 data;
	__u32 data_end;
	__u32 data_meta;
	__u32 ingress_ifindex;
	__u32 rx_queue_index;
	__u32 egress_ifindex;
};

struct bpf_sock {
	__u32 bound_dev_if;
	__u32 family;
	__u32 type;
	__u32 protocol;
	__u32 mark;
	__u32 priority;
	__u32 src_ip4;
	__u32 src_ip6[4];
	__u32 src_port;
	__u16 dst_port;
	__u16 pad;
	__u32 dst_ip4;
	__u32 dst_ip6[4];
	__u32 state;
	__s32 rx_queue_mapping;
};

struct bpf_sock_tuple {
	union {
		struct {
			__u32 saddr, daddr;
			__u16 sport, dport;
		} ipv4;
		struct {
			__u32 saddr[4], daddr[4];
			__u16 sport, dport;
		} ipv6;
	};
};

struct ethhdr {
	__u16 dst[3];
	__u16 src[3];
	__u16 proto;
};

struct vlanhdr {
	__u16 tci;
	__u16 proto;
};

struct iphdr {
	__u8 version_ihl;
	__u8 tos;
	__u16 tot_len;
	__u16 id;
	__u16 frag_off;
	__u8 ttl;
	__u8 protocol;
	__u16 check;
	__u32 saddr;
	__u32 daddr;
};

struct ipv6hdr {
	__u32 version_class_flow;
	__u16 payload_len;
	__u8 nexthdr;
	__u8 hop_limit;
	__u32 saddr[4];
	__u32 daddr[4];
};

struct tcphdr {
	__u16 source;
	__u16 dest;
	__u32 seq;
	__u32 ack_seq;
	__u8 doff; /* in the upper four bits, in words */
	__u8 flags;
	__u16 window;
	__u16 check;
	__u16 urg_ptr;
};

/* The helpers by their numbers, with the kernel that has had them since. */
static void *(*const map_lookup)(void *map, const void *key) = (void *)1;
static __s64 (*const adjust_head)(struct xdp_md *, int delta) = (void *)44;
static __s64 (*const adjust_tail)(struct xdp_md *, int delta) = (void *)65;         /* growing: 5.8 */
static __s64 (*const sk_release)(void *sock) = (void *)86;
static struct bpf_sock *(*const skc_lookup_tcp)(void *ctx, struct bpf_sock_tuple *, __u32 size, __u64 netns, __u64 flags) = (void *)99; /* 5.2 */
static __u64 (*const ktime_coarse)(void) = (void *)160;                             /* 5.11 */
static __u64 (*const buff_len)(struct xdp_md *) = (void *)188;                      /* 5.18 */
static __s64 (*const load_bytes)(struct xdp_md *, __u32 offset, void *, __u32 len) = (void *)189;  /* 5.18 */
static __s64 (*const store_bytes)(struct xdp_md *, __u32 offset, void *, __u32 len) = (void *)190; /* 5.18 */
static __s64 (*const gen_cookie4)(struct iphdr *, struct tcphdr *, __u32 len) = (void *)204;       /* 6.0 */
static __s64 (*const gen_cookie6)(struct ipv6hdr *, struct tcphdr *, __u32 len) = (void *)205;     /* 6.0 */
static __s64 (*const check_cookie4)(struct iphdr *, struct tcphdr *) = (void *)206;                /* 6.0 */
static __s64 (*const check_cookie6)(struct ipv6hdr *, struct tcphdr *) = (void *)207;              /* 6.0 */

#define CURRENT_NETNS (-1) /* as a 64-bit number: the helper takes a signed 32-bit one of it */

/* The machines that this runs on are little-endian; the loader sees to it. */
#define swap16(x) ((__u16)__builtin_bswap16(x))
#define swap32(x) ((__u32)__builtin_bswap32(x))

#endif
