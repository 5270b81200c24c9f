using Azure.Core;

namespace Azure.Storage.Blobs;

public class BlobClientOptions(BlobClientOptions.ServiceVersion version = BlobClientOptions.ServiceVersion.V2026_02_06) : ClientOptions
{
    public ServiceVersion Version { get; } = version;

    internal string VersionString => Version switch
    {
        ServiceVersion.V2026_02_06 => "2026-02-06",
        _ => throw new ArgumentOutOfRangeException(nameof(Version)),
    };

    public enum ServiceVersion
    {
        V2026_02_06 = 29,
    }
}
