"""What an object store is opened with, of options and variables."""

from __future__ import annotations

import pytest

from mlopus.errors import IllegalPath, InvalidValue, MlopusError, Unauthorized, Unsupported
from mlopus.repositories.stores.obstore_aws import open_s3
from mlopus.repositories.stores.obstore_clouds import open_azure, open_gcs
from mlopus.repositories.stores.obstore_options import Opening, Patience
from mlopus.repositories.stores.obstore_places import object_place

NO_FILES = {"AWS_CONFIG_FILE": "/nowhere/config", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials"}
KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}


def s3(variables: dict[str, str], **options) -> Opening:
    return open_s3("bucket", options, {**NO_FILES, **variables}, Patience()).unwrap()


def s3_refusal(variables: dict[str, str], **options) -> MlopusError:
    return open_s3("bucket", options, {**NO_FILES, **variables}, Patience()).failure()


def azure(url: str, variables: dict[str, str], **options) -> Opening:
    return open_azure(object_place(url).unwrap(), options, variables, Patience()).unwrap()


class TestS3:
    def test_mlflows_variable_for_the_endpoint_wins_over_those_of_aws(self) -> None:
        opening = s3({"MLFLOW_S3_ENDPOINT_URL": "http://one:9000", "AWS_ENDPOINT_URL": "http://two"})

        assert opening.config["endpoint"] == opening.config["aws_endpoint_url_s3"] == "http://one:9000"
        assert opening.client["allow_http"] is True

    def test_an_option_wins_over_every_variable(self) -> None:
        variables = {"MLFLOW_S3_ENDPOINT_URL": "http://one", "AWS_REGION": "eu-west-1", **KEYS}

        opening = s3(variables, endpoint_url="https://three/", region_name="us-west-2", key="k", secret="s")  # noqa: S106

        assert opening.config["endpoint"] == "https://three"
        assert opening.config["region"] == "us-west-2"
        assert opening.credentials is not None
        assert opening.credentials()["access_key_id"] == "k"

    def test_a_token_of_the_environment_is_not_mixed_with_keys_of_options(self) -> None:
        opening = s3({"AWS_SESSION_TOKEN": "other's", **KEYS}, key="k", secret="s")  # noqa: S106

        assert opening.credentials is not None
        assert opening.credentials()["token"] is None

    def test_half_of_the_credentials_is_refused(self) -> None:
        assert isinstance(s3_refusal({}, key="k"), InvalidValue)

    def test_without_credentials_the_store_asks_the_machine(self) -> None:
        assert s3({}).credentials is None

    def test_empty_variables_count_as_unset(self) -> None:
        opening = s3({"AWS_ENDPOINT_URL_S3": "", "AWS_SESSION_TOKEN": "", "AWS_REGION": "", **KEYS})

        assert opening.config["endpoint"] == "https://s3.us-east-1.amazonaws.com"
        assert opening.credentials is not None
        assert opening.credentials()["token"] is None

    def test_certificates_are_not_checked_where_mlflow_would_not(self) -> None:
        assert s3({"MLFLOW_S3_IGNORE_TLS": "true"}).client["allow_invalid_certificates"] is True

    def test_the_virtual_style_puts_the_bucket_into_the_host(self) -> None:
        style = {"MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "virtual"}

        opening = s3({"MLFLOW_S3_ENDPOINT_URL": "https://s3.example.org", **style})

        assert opening.config["endpoint"] == "https://bucket.s3.example.org"

    def test_extra_arguments_of_uploads_become_attributes_tags_and_settings(self) -> None:
        text = (
            '{"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k", "ContentType": "a/b", '
            '"Metadata": {"team": "x"}, "Tagging": "a=1&b=2"}'
        )

        opening = s3({"MLFLOW_S3_UPLOAD_EXTRA_ARGS": text})

        assert opening.config["server_side_encryption"] == "aws:kms"
        assert opening.config["sse_kms_key_id"] == "k"
        assert opening.extras == {
            "attributes": {"Content-Type": "a/b", "team": "x"},
            "tags": {"a": "1", "b": "2"},
        }

    @pytest.mark.parametrize(
        ("variable", "text", "error"),
        [
            ("MLFLOW_S3_UPLOAD_EXTRA_ARGS", '{"ACL": "public-read"}', Unsupported),
            ("MLFLOW_S3_UPLOAD_EXTRA_ARGS", "no json", InvalidValue),
            ("MLFLOW_S3_EXPECTED_BUCKET_OWNER", "123456789012", Unsupported),
            ("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "sideways", InvalidValue),
            ("AWS_PROFILE", "nobody", InvalidValue),
        ],
    )
    def test_what_cannot_be_done_is_refused_and_not_ignored(self, variable, text, error) -> None:
        assert isinstance(s3_refusal({variable: text}), error)

    def test_no_secret_is_shown(self) -> None:
        assert "secret" not in repr(s3(KEYS))


class TestGoogle:
    def test_an_emulator_is_not_given_what_is_for_google(self) -> None:
        opening = open_gcs({}, {"STORAGE_EMULATOR_HOST": "127.0.0.1:9023"}, Patience()).unwrap()

        assert opening.config == {"base_url": "http://127.0.0.1:9023"}
        assert opening.credentials is not None
        assert opening.credentials()["token"] == "anonymous"  # noqa: S105 (it says that there is none)
        assert opening.client["allow_http"] is True

    @pytest.mark.parametrize(
        ("token", "config"),
        [
            ("anon", {"skip_signature": True}),
            ("/keys/me.json", {"application_credentials": "/keys/me.json"}),
            ({"client_email": "a"}, {"service_account_key": '{"client_email": "a"}'}),
            ("google_default", {}),
        ],
    )
    def test_a_token_is_what_it_is_for_gcsfs(self, token, config) -> None:
        assert open_gcs({"token": token, "project": "p"}, {}, Patience()).unwrap().config == config


class TestAzure:
    def test_the_account_of_the_url_names_its_endpoint(self) -> None:
        opening = azure("abfss://c@team.dfs.core.windows.net/run", {})

        assert opening.config["account_name"] == "team"
        assert opening.config["endpoint"] == "https://team.blob.core.windows.net"

    def test_a_connection_string_is_taken_apart(self) -> None:
        text = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=k==;EndpointSuffix=core.windows.net"

        opening = azure("az://c/run", {"AZURE_STORAGE_CONNECTION_STRING": text})

        assert opening.config == {
            "account_name": "a",
            "account_key": "k==",
            "endpoint": "https://a.blob.core.windows.net",
        }

    @pytest.mark.parametrize(
        "given",
        [{"account_name": "mine", "account_key": "k"}, {"sas_token": "sig=s"}],
        ids=["of another account", "of no account"],
    )
    def test_what_is_for_one_account_is_not_sent_to_another_that_a_url_names(self, given) -> None:
        place = object_place("wasbs://c@theirs.blob.core.windows.net/run").unwrap()

        refused = open_azure(place, given, {}, Patience()).failure()

        assert isinstance(refused, Unauthorized)

    def test_a_host_that_is_none_of_azures_is_refused(self) -> None:
        for url in ("wasbs://c@theirs.example.org/run", "s3://user@bucket/run", "s3:///run", "s3:run"):
            assert isinstance(object_place(url).failure(), IllegalPath)
