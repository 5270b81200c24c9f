using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Cdp.Events;
using Cdp.Identity;

namespace Cdp.Profiles;

/// <summary>
/// The stored form of a profile document: a format byte, then sections of (tag, length, content), Brotli-compressed as a whole
/// where that pays. A section with an unknown tag is an error, not skipped: an older worker must not write a document back without
/// what a newer one put there.
/// </summary>
public static class ProfileCodec
{
    /// <summary>From this size on a document takes no more traits. What else it has to take, identifiers and merges, fits above it in a row.</summary>
    public const int MostBytes = 512 * 1024;

    /// <summary>What a merge may make of two documents: room for identifiers and merges is left in the row.</summary>
    public const int MostMergedBytes = Storage.StorageLimits.RowBytes - (64 * 1024);

    private const byte Plain = 1;
    private const byte Compressed = 2;

    // Below this a document gains less by compression than it costs to call it.
    private const int WorthCompressing = 400;

    // Decoding must not follow a corrupt length into gigabytes.
    private const int MostPlainBytes = 64 * 1024 * 1024;

    private enum Tag : byte
    {
        Head = 1,
        Identifiers = 2,
        Traits = 3,
        Merges = 4,
        Decisions = 5,
        Absorbing = 6,
        MergedInto = 7,
        Released = 8,
        Rejections = 9,
        Splitting = 10,
        SplitFrom = 11,
        Segments = 20,
        GroupTraits = 21,
    }

    public static byte[] Encode(Profile profile)
    {
        var writer = new Writer(1024);
        WriteHead(ref writer, profile);
        if (profile.Identifiers.Count > 0)
            WriteIdentifiers(ref writer, profile.Identifiers);
        if (profile.Traits.Count > 0)
            WriteTraits(ref writer, Tag.Traits, profile.Traits);
        if (profile.GroupTraits.Count > 0)
            WriteTraits(ref writer, Tag.GroupTraits, profile.GroupTraits);
        if (HasSegments(profile))
            WriteSegments(ref writer, profile);
        if (profile.Merges.Count > 0)
            WriteMerges(ref writer, profile.Merges);
        if (profile.Decisions.Count > 0)
            WriteDecisions(ref writer, profile.Decisions);
        if (profile.Absorbing.Count > 0)
            WriteAbsorbing(ref writer, profile.Absorbing);
        if (profile.Released.Count > 0)
            WriteReleased(ref writer, profile.Released);
        if (profile.Rejections.Count > 0)
            WriteRejections(ref writer, profile.Rejections);
        if (profile.Splitting is { } split)
            WriteSplit(ref writer, split);
        WriteProfileId(ref writer, Tag.MergedInto, profile.MergedInto);
        WriteProfileId(ref writer, Tag.SplitFrom, profile.SplitFrom);

        var result = Pack(writer.Written);
        writer.Release();
        return result;
    }

    public static Profile Decode(ProfileId id, ReadOnlyMemory<byte> data)
    {
        var reader = new Reader(Unpack(data));
        var profile = new Profile(id);
        while (reader.More)
        {
            var tag = (Tag)reader.Byte();
            var end = reader.Int() + reader.Position;
            switch (tag)
            {
                case Tag.Head:
                    profile.Version = reader.Long();
                    profile.EventCount = reader.Long();
                    profile.CreatedAt = reader.Instant();
                    profile.FirstSeenAt = reader.Instant();
                    profile.LastSeenAt = reader.Instant();
                    break;
                case Tag.Identifiers:
                    for (var n = reader.Int(); n > 0; n--)
                        profile.Identifiers.Add(reader.Owned());
                    break;
                case Tag.Traits:
                    ReadTraits(ref reader, profile.Traits);
                    break;
                case Tag.GroupTraits:
                    ReadTraits(ref reader, profile.GroupTraits);
                    break;
                case Tag.Segments:
                    ReadSegments(ref reader, profile);
                    break;
                case Tag.Merges:
                    for (var n = reader.Int(); n > 0; n--)
                    {
                        profile.Merges.Add(new MergeRecord(
                            reader.String(), new ProfileId(reader.String()), new ProfileId(reader.String()), reader.Instant(), reader.String(),
                            reader.Identifier(), reader.Identifier(), (MergeState)reader.Byte(), reader.Byte() == 0 ? null : reader.Instant(),
                            reader.String() is { Length: > 0 } stayer ? new ProfileId(stayer) : null));
                    }

                    break;
                case Tag.Decisions:
                    for (var n = reader.Int(); n > 0; n--)
                        profile.Decisions.Add(new IdentityDecision(reader.Instant(), reader.String(), reader.Identifier(), reader.String(), reader.String()));
                    break;
                case Tag.Absorbing:
                    for (var n = reader.Int(); n > 0; n--)
                    {
                        var (mergeId, loser, folded) = (reader.String(), reader.String(), reader.Byte() != 0);
                        profile.Absorbing.Add(new Absorption(mergeId, new ProfileId(loser), folded, reader.Identifiers()));
                    }

                    break;
                case Tag.MergedInto:
                    profile.MergedInto = new ProfileId(reader.String());
                    break;
                case Tag.Released:
                    for (var n = reader.Int(); n > 0; n--)
                    {
                        profile.Released.Add(new ReleasedIdentifier(
                            reader.Owned(), reader.String() is { Length: > 0 } to ? new ProfileId(to) : null, reader.Instant(), reader.Byte() != 0));
                    }

                    break;
                case Tag.Rejections:
                    for (var n = reader.Int(); n > 0; n--)
                        profile.Rejections.Add(new LinkRejection(reader.String(), reader.Identifiers(), reader.Identifiers()));
                    break;
                case Tag.Splitting:
                    var (splitId, leaving, since) = (reader.String(), reader.String(), reader.Long());
                    var family = new ProfileId[reader.Int()];
                    for (var i = 0; i < family.Length; i++)
                        family[i] = new ProfileId(reader.String());
                    var given = new OwnedIdentifier[reader.Int()];
                    for (var i = 0; i < given.Length; i++)
                        given[i] = reader.Owned();
                    profile.Splitting = new Split(splitId, new ProfileId(leaving), since, family, given);
                    break;
                case Tag.SplitFrom:
                    profile.SplitFrom = new ProfileId(reader.String());
                    break;
                default:
                    throw new InvalidDataException($"The document of {id} has section {(byte)tag}, which a newer version of the app wrote: update this one.");
            }

            if (reader.Position != end)
                throw new InvalidDataException($"Section {tag} of the document of {id} has {end - reader.Position} bytes too many.");
        }

        return profile;
    }

    private static void WriteHead(ref Writer writer, Profile profile)
    {
        var start = writer.Begin((byte)Tag.Head);
        writer.Long(profile.Version);
        writer.Long(profile.EventCount);
        writer.Long(profile.CreatedAt.Milliseconds);
        writer.Long(profile.FirstSeenAt.Milliseconds);
        writer.Long(profile.LastSeenAt.Milliseconds);
        writer.End(start);
    }

    private static void WriteIdentifiers(ref Writer writer, List<OwnedIdentifier> identifiers)
    {
        var start = writer.Begin((byte)Tag.Identifiers);
        writer.Int(identifiers.Count);
        foreach (var owned in identifiers)
            writer.Owned(owned);
        writer.End(start);
    }

    private static bool HasSegments(Profile profile) =>
        !profile.SegmentState.IsEmpty || profile.Memberships.Count > 0 || profile.MembershipChanges > 0 || profile.Due is not null || profile.NeedsRefold || profile.FoldedEpoch > 0;

    private static void WriteSegments(ref Writer writer, Profile profile)
    {
        var start = writer.Begin((byte)Tag.Segments);
        var fromMerge = profile.Memberships.FindAll(static m => m.FromMerge);
        writer.Byte((byte)((profile.NeedsRefold ? 1 : 0) | (profile.Due is not null ? 2 : 0) | (profile.FoldedEpoch > 0 ? 4 : 0) | (fromMerge.Count > 0 ? 8 : 0)));
        if (profile.Due is { } due)
            writer.Long(due.Milliseconds);
        if (profile.FoldedEpoch > 0)
            writer.Long(profile.FoldedEpoch);
        writer.Long(profile.MembershipChanges);
        writer.Int(profile.Memberships.Count);
        foreach (var membership in profile.Memberships)
        {
            writer.String(membership.SegmentId);
            writer.Long(membership.Since.Milliseconds);
            writer.Long(membership.DefinitionVersion);
            writer.Long(membership.DefinitionEpoch);
        }

        if (fromMerge.Count > 0)
        {
            writer.Int(fromMerge.Count);
            foreach (var membership in fromMerge)
                writer.String(membership.SegmentId);
        }

        writer.Bytes(profile.SegmentState.Span);
        writer.End(start);
    }

    private static void ReadSegments(ref Reader reader, Profile profile)
    {
        var flags = reader.Byte();
        profile.NeedsRefold = (flags & 1) != 0;
        if ((flags & 2) != 0)
            profile.Due = reader.Instant();
        if ((flags & 4) != 0)
            profile.FoldedEpoch = reader.Long();
        profile.MembershipChanges = reader.Long();
        for (var n = reader.Int(); n > 0; n--)
            profile.Memberships.Add(new Membership(reader.String(), reader.Instant(), reader.Long(), reader.Long()));
        for (var n = (flags & 8) != 0 ? reader.Int() : 0; n > 0; n--)
        {
            var id = reader.String();
            var index = profile.Memberships.FindIndex(m => m.SegmentId == id);
            if (index < 0)
                throw new InvalidDataException($"The document of {profile.Id} has a merged membership of a segment it is not in.");
            profile.Memberships[index] = profile.Memberships[index] with { FromMerge = true };
        }

        profile.SegmentState = reader.Bytes();
    }

    private static void ReadTraits(ref Reader reader, Dictionary<string, Trait> traits)
    {
        var count = reader.Int();
        traits.EnsureCapacity(count);
        for (var n = count; n > 0; n--)
            traits[reader.String()] = new Trait(reader.Bytes(), reader.Instant(), reader.String(), reader.String());
    }

    private static void WriteTraits(ref Writer writer, Tag tag, Dictionary<string, Trait> traits)
    {
        var start = writer.Begin((byte)tag);
        writer.Int(traits.Count);
        foreach (var (name, trait) in traits)
        {
            writer.String(name);
            writer.Bytes(trait.Value.Span);
            writer.Long(trait.At.Milliseconds);
            writer.String(trait.MessageId);
            writer.String(trait.SourceId);
        }

        writer.End(start);
    }

    private static void WriteMerges(ref Writer writer, List<MergeRecord> merges)
    {
        var start = writer.Begin((byte)Tag.Merges);
        writer.Int(merges.Count);
        foreach (var merge in merges)
        {
            writer.String(merge.Id);
            writer.String(merge.Winner.Value);
            writer.String(merge.Loser.Value);
            writer.Long(merge.At.Milliseconds);
            writer.String(merge.MessageId);
            writer.Identifier(merge.LinkedBy);
            writer.Identifier(merge.LinkedTo);
            writer.Byte((byte)merge.State);
            writer.Byte(merge.UndoneAt is null ? (byte)0 : (byte)1);
            if (merge.UndoneAt is { } undone)
                writer.Long(undone.Milliseconds);
            writer.String(merge.PartedFrom?.Value ?? "");
        }

        writer.End(start);
    }

    private static void WriteDecisions(ref Writer writer, List<IdentityDecision> decisions)
    {
        var start = writer.Begin((byte)Tag.Decisions);
        writer.Int(decisions.Count);
        foreach (var decision in decisions)
        {
            writer.Long(decision.At.Milliseconds);
            writer.String(decision.MessageId);
            writer.Identifier(decision.Identifier);
            writer.String(decision.Action);
            writer.String(decision.Rule);
        }

        writer.End(start);
    }

    private static void WriteAbsorbing(ref Writer writer, List<Absorption> absorbing)
    {
        var start = writer.Begin((byte)Tag.Absorbing);
        writer.Int(absorbing.Count);
        foreach (var absorption in absorbing)
        {
            writer.String(absorption.MergeId);
            writer.String(absorption.Loser.Value);
            writer.Byte(absorption.Folded ? (byte)1 : (byte)0);
            writer.Identifiers(absorption.Reserved);
        }

        writer.End(start);
    }

    private static void WriteReleased(ref Writer writer, List<ReleasedIdentifier> released)
    {
        var start = writer.Begin((byte)Tag.Released);
        writer.Int(released.Count);
        foreach (var one in released)
        {
            writer.Owned(one.Was);
            writer.String(one.To?.Value ?? "");
            writer.Long(one.At.Milliseconds);
            writer.Byte(one.Quarantined ? (byte)1 : (byte)0);
        }

        writer.End(start);
    }

    private static void WriteRejections(ref Writer writer, List<LinkRejection> rejections)
    {
        var start = writer.Begin((byte)Tag.Rejections);
        writer.Int(rejections.Count);
        foreach (var rejection in rejections)
        {
            writer.String(rejection.MergeId);
            writer.Identifiers(rejection.Ours);
            writer.Identifiers(rejection.Theirs);
        }

        writer.End(start);
    }

    private static void WriteSplit(ref Writer writer, Split split)
    {
        var start = writer.Begin((byte)Tag.Splitting);
        writer.String(split.MergeId);
        writer.String(split.Loser.Value);
        writer.Long(split.Version);
        writer.Int(split.Family.Count);
        foreach (var member in split.Family)
            writer.String(member.Value);
        writer.Int(split.Given.Count);
        foreach (var given in split.Given)
            writer.Owned(given);
        writer.End(start);
    }

    private static void WriteProfileId(ref Writer writer, Tag tag, ProfileId? id)
    {
        if (id is not { } stated)
            return;
        var start = writer.Begin((byte)tag);
        writer.String(stated.Value);
        writer.End(start);
    }

    private static byte[] Pack(ReadOnlySpan<byte> plain)
    {
        if (plain.Length >= WorthCompressing)
        {
            var buffer = ArrayPool<byte>.Shared.Rent(plain.Length + 5);
            try
            {
                // Quality 1: nine tenths of what higher ones save, at a tenth of their time.
                if (BrotliEncoder.TryCompress(plain, buffer.AsSpan(5, plain.Length), out var size, quality: 1, window: 18))
                {
                    buffer[0] = Compressed;
                    BinaryPrimitives.WriteInt32LittleEndian(buffer.AsSpan(1), plain.Length);
                    return buffer.AsSpan(0, size + 5).ToArray();
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }

        var result = new byte[plain.Length + 1];
        result[0] = Plain;
        plain.CopyTo(result.AsSpan(1));
        return result;
    }

    private static ReadOnlyMemory<byte> Unpack(ReadOnlyMemory<byte> data)
    {
        var format = data.IsEmpty ? (byte)0 : data.Span[0];
        if (format == Plain)
            return data[1..];
        if (format != Compressed || data.Length < 5)
            throw new InvalidDataException($"A profile document has the unknown format {format}.");
        var size = BinaryPrimitives.ReadInt32LittleEndian(data.Span[1..]);
        if (size is < 0 or > MostPlainBytes)
            throw new InvalidDataException($"A profile document claims to have {size} bytes.");
        var plain = new byte[size];
        if (!BrotliDecoder.TryDecompress(data.Span[5..], plain, out var written) || written != size)
            throw new InvalidDataException("A profile document cannot be decompressed.");
        return plain;
    }

    /// <summary>Appends to a pooled buffer. Integers are variable-length, signed ones in zigzag form.</summary>
    private struct Writer(int capacity)
    {
        private byte[] buffer = ArrayPool<byte>.Shared.Rent(capacity);
        private int length;

        public readonly ReadOnlySpan<byte> Written => buffer.AsSpan(0, length);

        public readonly void Release() => ArrayPool<byte>.Shared.Return(buffer);

        public int Begin(byte tag)
        {
            Byte(tag);
            Ensure(4);
            length += 4;
            return length;
        }

        /// <summary>Writes the section's length into the four bytes kept for it, as a padded variable-length integer.</summary>
        public readonly void End(int start)
        {
            var size = length - start;
            for (var i = 0; i < 4; i++)
            {
                buffer[start - 4 + i] = (byte)((size & 0x7f) | (i < 3 ? 0x80 : 0));
                size >>= 7;
            }

            if (size != 0)
                throw new InvalidDataException("A section of a profile document is larger than 256 MiB.");
        }

        public void Byte(byte value)
        {
            Ensure(1);
            buffer[length++] = value;
        }

        public void Int(int value)
        {
            Ensure(5);
            var rest = (uint)value;
            while (rest >= 0x80)
            {
                buffer[length++] = (byte)(rest | 0x80);
                rest >>= 7;
            }

            buffer[length++] = (byte)rest;
        }

        public void Long(long value)
        {
            Ensure(10);
            var rest = (ulong)((value << 1) ^ (value >> 63));
            while (rest >= 0x80)
            {
                buffer[length++] = (byte)(rest | 0x80);
                rest >>= 7;
            }

            buffer[length++] = (byte)rest;
        }

        public void String(string value)
        {
            var size = Encoding.UTF8.GetByteCount(value);
            Int(size);
            Ensure(size);
            length += Encoding.UTF8.GetBytes(value, buffer.AsSpan(length));
        }

        public void Bytes(ReadOnlySpan<byte> value)
        {
            Int(value.Length);
            Ensure(value.Length);
            value.CopyTo(buffer.AsSpan(length));
            length += value.Length;
        }

        public void Identifier(Identifier identifier)
        {
            String(identifier.Type);
            String(identifier.Value);
        }

        public void Identifiers(IReadOnlyList<Identifier> identifiers)
        {
            Int(identifiers.Count);
            foreach (var identifier in identifiers)
                Identifier(identifier);
        }

        public void Owned(OwnedIdentifier owned)
        {
            Identifier(owned.Identifier);
            Long(owned.FirstSeenAt.Milliseconds);
            Long(owned.LastSeenAt.Milliseconds);
            String(owned.SourceId);
            String(owned.MessageId);
            Long(owned.AddedAt.Milliseconds);
            Byte(owned.Quarantined ? (byte)1 : (byte)0);
        }

        private void Ensure(int more)
        {
            if (length + more <= buffer.Length)
                return;
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(length + more, buffer.Length * 2));
            buffer.AsSpan(0, length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = larger;
        }
    }

    private struct Reader(ReadOnlyMemory<byte> data)
    {
        // Most strings of a document repeat: the same few sources, and the message that set many traits at once.
        private readonly string?[] recent = new string?[16];

        public int Position { get; private set; }

        public readonly bool More => Position < data.Length;

        public byte Byte() => Position < data.Length ? data.Span[Position++] : throw Truncated();

        public int Int()
        {
            uint value = 0;
            for (var shift = 0; shift < 35; shift += 7)
            {
                var b = Byte();
                value |= (uint)(b & 0x7f) << shift;
                if (b < 0x80)
                    return (int)value;
            }

            throw Truncated();
        }

        public long Long()
        {
            ulong value = 0;
            for (var shift = 0; shift < 70; shift += 7)
            {
                var b = Byte();
                value |= (ulong)(b & 0x7f) << shift;
                if (b < 0x80)
                    return (long)(value >> 1) ^ -(long)(value & 1);
            }

            throw Truncated();
        }

        public Instant Instant() => new(Long());

        public ReadOnlyMemory<byte> Bytes()
        {
            var size = Int();
            if (size < 0 || size > data.Length - Position)
                throw Truncated();
            var slice = data.Slice(Position, size);
            Position += size;
            return slice;
        }

        public string String()
        {
            var bytes = Bytes().Span;
            if (bytes.Length == 0)
                return "";
            ref var slot = ref recent[(bytes.Length ^ bytes[^1]) & 15];
            return slot is not null && bytes.Length == slot.Length && Ascii.Equals(bytes, slot) ? slot : slot = Encoding.UTF8.GetString(bytes);
        }

        public Identifier Identifier() => new(String(), String());

        public Identifier[] Identifiers()
        {
            var identifiers = new Identifier[Int()];
            for (var i = 0; i < identifiers.Length; i++)
                identifiers[i] = Identifier();
            return identifiers;
        }

        public OwnedIdentifier Owned() => new(Identifier(), Instant(), Instant(), String(), String(), Instant(), Byte() != 0);

        private static InvalidDataException Truncated() => new("A profile document is truncated.");
    }
}
