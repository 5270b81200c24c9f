using System.Globalization;
using Azure.Core;
using Azure.Storage.Queues.Models;

namespace Azure.Storage.Queues;

public class QueueClient
{
    private readonly StoragePipeline pipeline;
    private readonly Uri messages;
    private readonly QueueMessageEncoding encoding;

    public QueueClient(string connectionString, string queueName)
        : this(connectionString, queueName, new QueueClientOptions())
    {
    }

    public QueueClient(string connectionString, string queueName, QueueClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(connectionString);
        options ??= new QueueClientOptions();
        var account = StorageAccount.Parse(connectionString);
        pipeline = StoragePipeline.WithKey(account, account.Queue!, options, options.VersionString);
        Uri = pipeline.Locate(queueName);
        messages = StoragePipeline.Append(Uri, "messages");
        Name = queueName;
        encoding = options.MessageEncoding;
    }

    public QueueClient(Uri queueUri, TokenCredential credential, QueueClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(queueUri);
        ArgumentNullException.ThrowIfNull(credential);
        options ??= new QueueClientOptions();
        pipeline = StoragePipeline.WithToken(queueUri, credential, options, options.VersionString);
        Uri = queueUri;
        messages = StoragePipeline.Append(Uri, "messages");
        Name = queueUri.Segments[^1].Trim('/');
        encoding = options.MessageEncoding;
    }

    internal QueueClient(StoragePipeline pipeline, Uri uri, string name, QueueMessageEncoding encoding)
    {
        this.pipeline = pipeline;
        this.encoding = encoding;
        Uri = uri;
        messages = StoragePipeline.Append(uri, "messages");
        Name = name;
    }

    protected QueueClient()
    {
        pipeline = null!;
        messages = null!;
        Uri = null!;
        Name = null!;
    }

    public virtual string AccountName => pipeline.AccountName;

    public virtual string Name { get; }

    public virtual Uri Uri { get; }

    public virtual int MaxPeekableMessages => 32;

    public virtual int MessageMaxBytes => 64 * 1024;

    /// <returns>The answer where the queue was created, null where it was there.</returns>
    public virtual async Task<Response> CreateIfNotExistsAsync(IDictionary<string, string>? metadata = null, CancellationToken cancellationToken = default)
    {
        using var message = pipeline.CreateMessage(RequestMethod.Put, Uri);
        if (metadata is not null)
            foreach (var (name, value) in metadata)
                message.Request.Headers.Add("x-ms-meta-" + name, value);
        await pipeline.SendAsync(message, cancellationToken);
        if (message.Response.Status is 201)
            return message.Response;
        if (message.Response.Status is 204)
            return null!;
        var failure = new RequestFailedException(message.Response);
        return failure.ErrorCode == QueueErrorCode.QueueAlreadyExists ? null! : throw failure;
    }

    public virtual async Task<Response<bool>> ExistsAsync(CancellationToken cancellationToken = default)
    {
        using var message = pipeline.CreateMessage(RequestMethod.Get, Uri, "?comp=metadata");
        await pipeline.SendAsync(message, cancellationToken);
        if (message.Response.Status is 200)
            return Response.FromValue(true, message.Response);
        var failure = new RequestFailedException(message.Response);
        return failure.ErrorCode == QueueErrorCode.QueueNotFound ? Response.FromValue(false, message.Response) : throw failure;
    }

    public virtual async Task<Response<QueueProperties>> GetPropertiesAsync(CancellationToken cancellationToken = default)
    {
        using var message = pipeline.CreateMessage(RequestMethod.Get, Uri, "?comp=metadata");
        var response = await SendAsync(message, 200, cancellationToken);
        var metadata = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var header in response.Headers)
            if (header.Name.StartsWith("x-ms-meta-", StringComparison.OrdinalIgnoreCase))
                metadata[header.Name["x-ms-meta-".Length..]] = header.Value;
        var count = response.Headers.TryGetValue("x-ms-approximate-messages-count", out var text) ? long.Parse(text, CultureInfo.InvariantCulture) : 0;
        return Response.FromValue(new QueueProperties { Metadata = metadata, ApproximateMessagesCountLong = count }, response);
    }

    public virtual async Task<Response> ClearMessagesAsync(CancellationToken cancellationToken = default)
    {
        using var message = pipeline.CreateMessage(RequestMethod.Delete, messages);
        return await SendAsync(message, 204, cancellationToken);
    }

    public virtual Task<Response<SendReceipt>> SendMessageAsync(string messageText) => SendMessageAsync(messageText, null, null, default);

    public virtual Task<Response<SendReceipt>> SendMessageAsync(string messageText, CancellationToken cancellationToken = default) =>
        SendMessageAsync(messageText, null, null, cancellationToken);

    public virtual Task<Response<SendReceipt>> SendMessageAsync(BinaryData message, TimeSpan? visibilityTimeout = null, TimeSpan? timeToLive = null, CancellationToken cancellationToken = default) =>
        SendTextAsync(Encode(message), visibilityTimeout, timeToLive, cancellationToken);

    public virtual Task<Response<SendReceipt>> SendMessageAsync(string messageText, TimeSpan? visibilityTimeout = null, TimeSpan? timeToLive = null, CancellationToken cancellationToken = default) =>
        SendTextAsync(Encode(messageText), visibilityTimeout, timeToLive, cancellationToken);

    public virtual Task<Response<QueueMessage[]>> ReceiveMessagesAsync() => ReceiveMessagesAsync(null, null, default);

    public virtual Task<Response<QueueMessage[]>> ReceiveMessagesAsync(CancellationToken cancellationToken = default) => ReceiveMessagesAsync(null, null, cancellationToken);

    public virtual async Task<Response<QueueMessage[]>> ReceiveMessagesAsync(int? maxMessages = null, TimeSpan? visibilityTimeout = null, CancellationToken cancellationToken = default)
    {
        var query = string.Create(
            CultureInfo.InvariantCulture,
            $"?{(maxMessages is { } most ? $"numofmessages={most}&" : "")}{(visibilityTimeout is { } hidden ? $"visibilitytimeout={(long)hidden.TotalSeconds}" : "")}");
        using var message = pipeline.CreateMessage(RequestMethod.Get, messages, query.TrimEnd('&', '?'));
        var response = await SendAsync(message, 200, cancellationToken);
        var received = QueueXml.Read(response);
        var result = new QueueMessage[received.Count];
        for (var i = 0; i < result.Length; i++)
        {
            var each = received[i];
            result[i] = new QueueMessage
            {
                MessageId = each.Id,
                PopReceipt = each.PopReceipt,
                Body = Decode(each.Text),
                NextVisibleOn = each.NextVisibleOn,
                InsertedOn = each.InsertedOn,
                ExpiresOn = each.ExpiresOn,
                DequeueCount = each.DequeueCount,
            };
        }

        return Response.FromValue(result, response);
    }

    public virtual async Task<Response<PeekedMessage[]>> PeekMessagesAsync(int? maxMessages = null, CancellationToken cancellationToken = default)
    {
        var query = maxMessages is { } most ? string.Create(CultureInfo.InvariantCulture, $"?peekonly=true&numofmessages={most}") : "?peekonly=true";
        using var message = pipeline.CreateMessage(RequestMethod.Get, messages, query);
        var response = await SendAsync(message, 200, cancellationToken);
        var peeked = QueueXml.Read(response);
        var result = new PeekedMessage[peeked.Count];
        for (var i = 0; i < result.Length; i++)
        {
            var each = peeked[i];
            result[i] = new PeekedMessage
            {
                MessageId = each.Id,
                Body = Decode(each.Text),
                InsertedOn = each.InsertedOn,
                ExpiresOn = each.ExpiresOn,
                DequeueCount = each.DequeueCount,
            };
        }

        return Response.FromValue(result, response);
    }

    public virtual async Task<Response> DeleteMessageAsync(string messageId, string popReceipt, CancellationToken cancellationToken = default)
    {
        using var message = pipeline.CreateMessage(RequestMethod.Delete, Locate(messageId), "?popreceipt=" + Uri.EscapeDataString(popReceipt));
        return await SendAsync(message, 204, cancellationToken);
    }

    public virtual Task<Response<UpdateReceipt>> UpdateMessageAsync(string messageId, string popReceipt, string? messageText = null, TimeSpan visibilityTimeout = default, CancellationToken cancellationToken = default) =>
        UpdateTextAsync(messageId, popReceipt, messageText is null ? null : Encode(messageText), visibilityTimeout, cancellationToken);

    public virtual Task<Response<UpdateReceipt>> UpdateMessageAsync(string messageId, string popReceipt, BinaryData message, TimeSpan visibilityTimeout = default, CancellationToken cancellationToken = default) =>
        UpdateTextAsync(messageId, popReceipt, message is null ? null : Encode(message), visibilityTimeout, cancellationToken);

    private async Task<Response<SendReceipt>> SendTextAsync(string text, TimeSpan? visibilityTimeout, TimeSpan? timeToLive, CancellationToken cancellationToken)
    {
        var query = string.Create(
            CultureInfo.InvariantCulture,
            $"?{(visibilityTimeout is { } hidden ? $"visibilitytimeout={(long)hidden.TotalSeconds}&" : "")}{(timeToLive is { } life ? $"messagettl={(long)life.TotalSeconds}" : "")}");
        var body = QueueXml.Write(text);
        using var message = pipeline.CreateMessage(RequestMethod.Post, messages, query.TrimEnd('&', '?'));
        SetBody(message, body);
        var response = await SendAsync(message, 201, cancellationToken);
        body.Return();
        return Response.FromValue(QueueXml.ReadReceipt(response), response);
    }

    private async Task<Response<UpdateReceipt>> UpdateTextAsync(string messageId, string popReceipt, string? text, TimeSpan visibilityTimeout, CancellationToken cancellationToken)
    {
        var query = string.Create(CultureInfo.InvariantCulture, $"?popreceipt={Uri.EscapeDataString(popReceipt)}&visibilitytimeout={(long)visibilityTimeout.TotalSeconds}");
        using var message = pipeline.CreateMessage(RequestMethod.Put, Locate(messageId), query);
        var body = text is null ? null : QueueXml.Write(text);
        if (body is not null)
            SetBody(message, body);
        var response = await SendAsync(message, 204, cancellationToken);
        body?.Return();
        response.Headers.TryGetValue("x-ms-popreceipt", out var receipt);
        response.Headers.TryGetValue("x-ms-time-next-visible", out var next);
        var updated = new UpdateReceipt
        {
            PopReceipt = receipt!,
            NextVisibleOn = DateTimeOffset.Parse(next!, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal),
        };
        return Response.FromValue(updated, response);
    }

    private static void SetBody(HttpMessage message, PooledBuffer body)
    {
        message.Request.Headers.Add("Content-Type", "application/xml");
        message.Request.Content = RequestContent.Create(body.Written);
    }

    private async Task<Response> SendAsync(HttpMessage message, int expected, CancellationToken cancellationToken)
    {
        await pipeline.SendAsync(message, cancellationToken);
        return message.Response.Status == expected ? message.Response : throw new RequestFailedException(message.Response);
    }

    private Uri Locate(string messageId) => StoragePipeline.Append(messages, Uri.EscapeDataString(messageId));

    private string Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return encoding == QueueMessageEncoding.Base64 ? Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(text)) : text;
    }

    private string Encode(BinaryData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        return encoding == QueueMessageEncoding.Base64 ? Convert.ToBase64String(data.ToMemory().Span) : data.ToString();
    }

    private BinaryData Decode(string text) =>
        encoding == QueueMessageEncoding.Base64 ? BinaryData.FromBytes(Convert.FromBase64String(text)) : BinaryData.FromString(text);
}
