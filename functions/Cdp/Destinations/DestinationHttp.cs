using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;

namespace Cdp.Destinations;

/// <summary>
/// How destinations are called over HTTP. A name is resolved, all its addresses are checked, and the connection goes to a checked one: a name that leads elsewhere a
/// moment later gains nothing. No redirect is followed and no proxy used: both would lead past the check.
/// </summary>
public sealed class DestinationHttp : IDisposable
{
    /// <summary>Of an answer; more is not read where the caller does not need it.</summary>
    public const int MostResponseBytes = 64 * 1024;

    /// <summary>Of an answer, where the caller does not need more.</summary>
    public const int ShownBytes = 4 * 1024;

    private const string Masked = "***";

    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromHours(24);

    private readonly HttpMessageInvoker client;
    private readonly TimeProvider time;

    public DestinationHttp(bool allowPrivate, TimeProvider time, Func<string, CancellationToken, Task<IPAddress[]>>? resolve = null)
    {
        this.time = time;
        AllowsPrivate = allowPrivate;
        resolve ??= Dns.GetHostAddressesAsync;
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            MaxResponseHeadersLength = 64,
            // Names may lead elsewhere after a while.
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            // A distributed trace of the app is nothing that others need to know of.
            ActivityHeadersPropagator = null,
            ConnectCallback = (context, cancellation) => ConnectAsync(context.DnsEndPoint, resolve, allowPrivate, cancellation),
        };
        client = new HttpMessageInvoker(handler);
    }

    public bool AllowsPrivate { get; }

    /// <summary>Sends once. Every answer and every failure becomes a result; a cancellation is thrown.</summary>
    /// <param name="secretHeaders">Their values are masked in the record.</param>
    /// <param name="shownUrl">In place of the request's, where that is a secret.</param>
    /// <param name="neededBytes">Of the answer, where it says more than whether it was taken.</param>
    /// <param name="resetHeader">Says after how many seconds it may be tried again where <c>Retry-After</c> does not.</param>
    public async Task<SendResult> SendAsync(
        HttpRequestMessage request, ReadOnlyMemory<byte> body, string contentType, CancellationToken cancellation, IReadOnlySet<string>? secretHeaders = null, string? shownUrl = null,
        int neededBytes = ShownBytes, string? resetHeader = null)
    {
        request.Content = new ReadOnlyMemoryContent(body);
        if (request.Method != HttpMethod.Get || body.Length > 0)
            request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        var exchange = new Exchange(request.Method.Method, shownUrl ?? request.RequestUri!.GetLeftPart(UriPartial.Path), body.Length)
        {
            RequestHeaders = [.. request.Headers.Concat(request.Content.Headers)
                .Select(h => KeyValuePair.Create(h.Key, secretHeaders?.Contains(h.Key) == true ? Masked : string.Join(", ", h.Value)))],
            RequestBody = Encoding.UTF8.GetString(body.Span[..Math.Min(body.Length, MostResponseBytes)]),
        };
        try
        {
            using var response = await client.SendAsync(request, cancellation);
            var (bytes, text) = await ReadAsync(response.Content, neededBytes, cancellation);
            return Result(response, exchange with { Status = (int)response.StatusCode, ResponseBytes = bytes, ResponseBody = text }, resetHeader);
        }
        catch (Exception exception) when (Find<RefusedAddressException>(exception) is { } refused)
        {
            return new SendResult(SendStatus.Refused, exchange with { Error = refused.Message });
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or SocketException)
        {
            return new SendResult(SendStatus.Retry, exchange with { Error = Describe(exception) });
        }
    }

    public void Dispose() => client.Dispose();

    private SendResult Result(HttpResponseMessage response, Exchange exchange, string? resetHeader)
    {
        var status = (int)response.StatusCode;
        if (status is >= 200 and < 300)
            return new SendResult(SendStatus.Delivered, exchange);
        var after = RetryAfter(response.Headers.RetryAfter) ?? Reset(response.Headers, resetHeader);
        return status switch
        {
            429 => new SendResult(SendStatus.Throttled, exchange, after),
            408 or >= 500 => new SendResult(SendStatus.Retry, exchange, after),
            >= 300 and < 400 => new SendResult(SendStatus.Refused, exchange with { Error = "It answered with a redirect, which is not followed: put the URL that it leads to." }),
            _ => new SendResult(SendStatus.Refused, exchange),
        };
    }

    private TimeSpan? RetryAfter(RetryConditionHeaderValue? header)
    {
        var after = header?.Delta ?? (header?.Date is { } date ? date - time.GetUtcNow() : null);
        return after is { } stated ? TimeSpan.FromTicks(Math.Clamp(stated.Ticks, 0, LongestRetryAfter.Ticks)) : null;
    }

    private static TimeSpan? Reset(HttpResponseHeaders headers, string? name) =>
        name is not null && headers.TryGetValues(name, out var values) && int.TryParse(values.First(), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            ? TimeSpan.FromSeconds(Math.Min(seconds, LongestRetryAfter.TotalSeconds))
            : null;

    private static async Task<(int Bytes, string Shown)> ReadAsync(HttpContent content, int needed, CancellationToken cancellation)
    {
        await using var stream = await content.ReadAsStreamAsync(cancellation);
        var buffer = new byte[ShownBytes];
        var (total, shown, most) = (0, 0, Math.Max(needed, MostResponseBytes));
        var scratch = new byte[8 * 1024];
        while (total < most)
        {
            var read = await stream.ReadAsync(scratch, cancellation);
            if (read == 0)
                break;
            if (buffer.Length < needed && shown + read > buffer.Length)
                Array.Resize(ref buffer, Math.Min(needed, buffer.Length * 4));
            var copied = Math.Min(read, buffer.Length - shown);
            scratch.AsSpan(0, copied).CopyTo(buffer.AsSpan(shown));
            shown += copied;
            total += read;
        }

        return (total, Encoding.UTF8.GetString(buffer, 0, shown));
    }

    private static async ValueTask<Stream> ConnectAsync(
        DnsEndPoint to, Func<string, CancellationToken, Task<IPAddress[]>> resolve, bool allowPrivate, CancellationToken cancellation)
    {
        var addresses = IPAddress.TryParse(to.Host, out var literal) ? [literal] : await resolve(to.Host, cancellation);
        // One that leads inside beside others is no accident: nothing of such a name is connected to.
        if (!allowPrivate && Array.Exists(addresses, static address => !AddressGuard.IsPublic(address)))
            throw new RefusedAddressException();
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, to.Port, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static T? Find<T>(Exception? exception)
        where T : Exception
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if (exception is T found)
                return found;
        }

        return null;
    }

    /// <summary>A category, not the message: that may name inner addresses.</summary>
    private static string Describe(Exception exception)
    {
        if (Find<SocketException>(exception) is { } socket)
            return $"The connection failed: {socket.SocketErrorCode}.";
        return exception is HttpRequestException { HttpRequestError: not HttpRequestError.Unknown } http
            ? $"The request failed: {http.HttpRequestError}."
            : "The connection was lost.";
    }
}
