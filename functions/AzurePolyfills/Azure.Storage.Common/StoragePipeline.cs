using Azure.Core;
using Azure.Core.Pipeline;

namespace Azure.Storage;

/// <summary>What the clients of one queue or blob account share.</summary>
internal sealed class StoragePipeline
{
    internal const string Scope = "https://storage.azure.com/.default";

    private readonly HttpPipeline pipeline;
    private readonly string version;

    private StoragePipeline(Uri endpoint, string name, StorageAccount? account, ClientOptions options, string version, HttpPipelinePolicy? authorization)
    {
        Endpoint = endpoint;
        AccountName = name;
        Account = account;
        this.version = version;
        var pipelineOptions = new HttpPipelineOptions(options) { RequestFailedDetailsParser = new StorageErrorParser() };
        if (authorization is not null)
            pipelineOptions.PerRetryPolicies.Add(authorization);
        pipeline = HttpPipelineBuilder.Build(pipelineOptions);
    }

    public Uri Endpoint { get; }

    public string AccountName { get; }

    /// <summary>With its key; null where a token is used.</summary>
    public StorageAccount? Account { get; }

    public static StoragePipeline WithKey(StorageAccount account, Uri endpoint, ClientOptions options, string version) =>
        new(endpoint, account.Name, account, options, version, new SharedKeyPolicy(account));

    public static StoragePipeline WithToken(Uri endpoint, TokenCredential credential, ClientOptions options, string version) =>
        new(endpoint, endpoint.Host.Split('.')[0], null, options, version, new BearerTokenAuthenticationPolicy(credential, Scope));

    /// <summary>Resources lie below the endpoint, whose path the emulator uses for the account's name.</summary>
    public Uri Locate(string path) => Append(Endpoint, path);

    public static Uri Append(Uri parent, string path) => new($"{parent.AbsoluteUri.TrimEnd('/')}/{path}");

    public HttpMessage CreateMessage(RequestMethod method, Uri uri, string? query = null)
    {
        var message = pipeline.CreateMessage();
        message.Request.Method = method;
        message.Request.Uri.Reset(uri);
        if (query is not null)
            message.Request.Uri.Query = query;
        message.Request.Headers.Add("x-ms-version", version);
        message.Request.Headers.Add("Accept", "application/xml");
        return message;
    }

    public ValueTask SendAsync(HttpMessage message, CancellationToken cancellationToken) => pipeline.SendAsync(message, cancellationToken);
}
