using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Cdp.Collect;
using Cdp.Storage;

namespace Cdp.Tests.Collect;

public sealed class EventMessageCodecTests
{
    private readonly KeptBlobs blobs = new();

    [Fact]
    public async Task A_small_batch_is_in_the_message()
    {
        var message = EventMessageCodec.Encode([new("{}"u8.ToArray(), false), new("{\"a\":1}"u8.ToArray(), true)]);
        Assert.StartsWith("1:", message, StringComparison.Ordinal);
        Assert.Null(EventMessageCodec.OverflowBlob(message));
        var events = await EventMessageCodec.DecodeAsync(message, blobs, CancellationToken.None);
        Assert.Equal([("{}", false), ("{\"a\":1}", true)], events.Select(e => (Encoding.UTF8.GetString(e.Json.Span), e.Historical)));
    }

    [Fact]
    public async Task The_format_is_the_documented_one()
    {
        var message = EventMessageCodec.Encode([new("{\"a\":1}"u8.ToArray(), false), new("{}"u8.ToArray(), true)]);
        await using var gzip = new GZipStream(new MemoryStream(Convert.FromBase64String(message[2..])), CompressionMode.Decompress);
        Assert.Equal("e{\"a\":1}\nh{}\n", await new StreamReader(gzip).ReadToEndAsync());
    }

    [Fact]
    public async Task A_large_batch_is_in_a_blob()
    {
        // Nothing compresses it.
        var json = Encoding.ASCII.GetBytes("\"" + Convert.ToHexString(RandomNumberGenerator.GetBytes(50_000)) + "\"");
        Assert.Throws<ArgumentException>(() => EventMessageCodec.Encode([new(json, false)]));
        var message = await EventMessageCodec.EncodeAsync([new(json, true)], blobs, "name", CancellationToken.None);
        Assert.Equal("1@name", message);
        Assert.Equal("name", EventMessageCodec.OverflowBlob(message));
        Assert.Equal(["name"], blobs.Overflow.Keys);
        Assert.Equal(json, Assert.Single(await EventMessageCodec.DecodeAsync(message, blobs, CancellationToken.None)).Json.ToArray());
    }

    [Fact]
    public async Task A_message_whose_blob_is_gone_was_processed_before() =>
        Assert.Empty(await EventMessageCodec.DecodeAsync("1@gone", blobs, CancellationToken.None));

    [Theory]
    [InlineData("")]
    [InlineData("2:AAAA")]
    [InlineData("1:AAAA")]
    [InlineData("1:*")]
    [InlineData("{}")]
    public async Task What_is_no_message_is_a_format_error(string message) =>
        await Assert.ThrowsAsync<FormatException>(() => EventMessageCodec.DecodeAsync(message, blobs, CancellationToken.None));

    [Fact]
    public async Task A_message_that_inflates_without_end_is_a_format_error()
    {
        var target = new MemoryStream();
        await using (var gzip = new GZipStream(target, CompressionLevel.Optimal))
            await gzip.WriteAsync(new byte[20 * 1024 * 1024]);
        Assert.True(target.ToArray().Length < StorageLimits.QueueMessageChars);
        await Assert.ThrowsAsync<FormatException>(() => EventMessageCodec.DecodeAsync("1:" + Convert.ToBase64String(target.ToArray()), blobs, CancellationToken.None));
    }

    [Fact]
    public void An_event_of_several_lines_cannot_be_encoded() =>
        Assert.Throws<ArgumentException>(() => EventMessageCodec.Encode([new("{\n}"u8.ToArray(), false)]));
}
